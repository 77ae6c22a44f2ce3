"""torch.fx: what it traces of a converted model, and of `chapter14.nn`, runs by hand as well.

A tracer records calls on proxies, on which no layer can compute. Calls of `chapter14.functional` are recorded; also:
- a module of `chapter14.nn` is a leaf, like its twin in torch.nn;
- `by_hand` leaves calls on proxies alone, so that they are recorded unchanged (by_hand.py);
- the function compiled from a graph runs inside `by_hand`, if the traced forward does.

TorchScript cannot contain a backward pass written in Python, and PyTorch's quantization recognises only the classes of
torch.nn: modules of `chapter14.nn` raise an error when either processes them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from torch import fx, nn
from torch.fx.graph import CodeGen

from .. import nn as ours
from .by_hand import by_hand


def _leaves(native: Callable[..., bool]) -> Callable[..., bool]:
    @functools.wraps(native)
    def is_leaf_module(self: fx.Tracer, m: nn.Module, module_qualified_name: str) -> bool:
        return m.__module__.startswith(ours.__name__) or native(self, m, module_qualified_name)

    return is_leaf_module


fx.Tracer.is_leaf_module = _leaves(fx.Tracer.is_leaf_module)  # type: ignore[method-assign]


def runs_by_hand(forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward` inside `by_hand`; if it is traced, the graph is marked."""

    @functools.wraps(forward)
    def by_hand_forward(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if isinstance(x, fx.Proxy):
                mark(x.tracer.graph)
        with by_hand():
            return forward(*args, **kwargs)

    return by_hand_forward


class _ByHandCode(CodeGen):
    """A mixin before the class of a graph's code generator."""

    def gen_fn_def(self, *args: Any, **kwargs: Any) -> str:
        return f"@{runs_by_hand.__name__}\n{super().gen_fn_def(*args, **kwargs)}"

    def additional_globals(self) -> list[tuple[str, Any]]:
        return [*super().additional_globals(), (runs_by_hand.__name__, runs_by_hand)]


def mark(graph: fx.Graph) -> None:
    """Run the code of a graph inside `by_hand`, from its next compilation on."""
    if not is_marked(graph):
        code = graph._codegen
        code.__class__ = type(type(code).__name__, (_ByHandCode, type(code)), {})


def unmark(graph: fx.Graph) -> None:
    if is_marked(graph):
        graph._codegen.__class__ = type(graph._codegen).__bases__[1]


def is_marked(graph: fx.Graph) -> bool:
    return isinstance(graph._codegen, _ByHandCode)


def graphs(module: nn.Module) -> Iterator[fx.Graph]:
    """The graphs of a module: those of training and evaluation may differ."""
    return (graph for graph in vars(module).values() if isinstance(graph, fx.Graph))


class Unscripted:
    """The methods that TorchScript calls before it compiles or traces a module."""

    def __prepare_scriptable__(self) -> None:
        raise TypeError(_UNSCRIPTED.format("script"))

    def _slow_forward(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(_UNSCRIPTED.format("trace"))


_UNSCRIPTED = (
    "torch.jit.{0}: TorchScript cannot contain a backward pass written in Python. Give it the original model, whose "
    "state_dict is the same; or use torch.compile."
)


class _Unquantized:
    """`module.qconfig`: PyTorch's quantization sets it, and then ignores classes that it does not recognise."""

    def __get__(self, module: nn.Module, cls: type | None = None) -> Any:
        if "qconfig" in vars(module):
            return vars(module)["qconfig"]
        raise AttributeError("qconfig")

    def __set__(self, module: nn.Module, value: Any) -> None:
        name = f"{type(module).__module__}.{type(module).__name__}"
        raise TypeError(f"torch.ao.quantization does not know {name}. Prepare the model first, then convert it.")

    def __delete__(self, module: nn.Module) -> None:
        del vars(module)["qconfig"]


_ANSWERS = {
    "__prepare_scriptable__": Unscripted.__prepare_scriptable__,
    "_slow_forward": Unscripted._slow_forward,
    "qconfig": _Unquantized(),
}
for cls in vars(ours).values():
    if isinstance(cls, type) and cls.__module__.startswith(ours.__name__):
        for name, answer in _ANSWERS.items():
            setattr(cls, name, answer)
