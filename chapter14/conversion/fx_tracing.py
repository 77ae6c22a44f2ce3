"""torch.fx: what it traces of a converted model, and of `chapter14.nn`, runs by hand as well.

A tracer records calls on proxies, which no layer can compute on. Three things are needed, besides the functions of
`chapter14.functional`, which are recorded as calls:
- a module of ours is a leaf, like the module of torch.nn that it stands for;
- `by_hand` lets a call on a proxy be recorded as it was written (by_hand.py);
- the function that a graph becomes runs inside `by_hand`, if a forward that runs by hand was traced.

TorchScript holds no backward pass that is written in Python, and PyTorch's quantization knows the classes of torch.nn
alone: a module of ours says so when they ask.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from torch import fx, nn
from torch.fx.graph import CodeGen

from .. import nn as ours
from .by_hand import by_hand

#: Where our own modules are.
OURS = (ours.__name__, f"{__package__}.convert")


def _leaves(native: Callable[..., bool]) -> Callable[..., bool]:
    @functools.wraps(native)
    def is_leaf_module(self: fx.Tracer, m: nn.Module, module_qualified_name: str) -> bool:
        return m.__module__.startswith(OURS) or native(self, m, module_qualified_name)

    return is_leaf_module


fx.Tracer.is_leaf_module = _leaves(fx.Tracer.is_leaf_module)  # type: ignore[method-assign]


def runs_by_hand(forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward`, by hand; and if it is traced, so is the graph."""

    @functools.wraps(forward)
    def by_hand_forward(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if isinstance(x, fx.Proxy):
                mark(x.tracer.graph)
        with by_hand():
            return forward(*args, **kwargs)

    return by_hand_forward


class _ByHandCode(CodeGen):
    """Mixed in before the class of a graph's code generator."""

    def gen_fn_def(self, *args: Any, **kwargs: Any) -> str:
        return f"@{runs_by_hand.__name__}\n{super().gen_fn_def(*args, **kwargs)}"

    def additional_globals(self) -> list[tuple[str, Any]]:
        return [*super().additional_globals(), (runs_by_hand.__name__, runs_by_hand)]


def mark(graph: fx.Graph) -> None:
    """Let the code of a graph run by hand, from when it is compiled next."""
    if not is_marked(graph):
        code = graph._codegen
        code.__class__ = type(type(code).__name__, (_ByHandCode, type(code)), {})


def unmark(graph: fx.Graph) -> None:
    if is_marked(graph):
        graph._codegen.__class__ = type(graph._codegen).__bases__[1]


def is_marked(graph: fx.Graph) -> bool:
    return isinstance(graph._codegen, _ByHandCode)


def graphs(module: nn.Module) -> Iterator[fx.Graph]:
    """The graphs that a module holds: those of training and of evaluation, where they differ."""
    return (graph for graph in vars(module).values() if isinstance(graph, fx.Graph))


class Unscripted:
    """What TorchScript asks of a module before it compiles or traces it."""

    def __prepare_scriptable__(self) -> None:
        raise TypeError(_UNSCRIPTED.format("script"))

    def _slow_forward(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(_UNSCRIPTED.format("trace"))


_UNSCRIPTED = (
    "torch.jit.{0}: TorchScript holds no backward pass that is written in Python. Give it the model that was "
    "converted, whose state_dict is the same; or use torch.compile."
)


class _Unquantized:
    """`module.qconfig`: PyTorch's quantization sets it, and would then pass over a class that it does not know."""

    def __get__(self, module: nn.Module, cls: type | None = None) -> Any:
        if "qconfig" in vars(module):
            return vars(module)["qconfig"]
        raise AttributeError("qconfig")

    def __set__(self, module: nn.Module, value: Any) -> None:
        raise TypeError(
            f"torch.ao.quantization: it does not know {type(module).__module__}.{type(module).__name__}. "
            "Prepare the model for quantization first, and convert what is prepared."
        )

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
