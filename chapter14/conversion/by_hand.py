"""by_hand(): every torch call inside goes to its twin, in models that know nothing of us.

PyTorch hands each call of its functions, methods and operators to a torch function mode before it runs. Ours looks it
up in TWINS. A function of PyTorch's that is written in Python and has no twin is opened: it runs with the mode on, so
that what it calls in turn is seen.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ..layers.inplace import in_place
from . import calls as calls
from .table import TWINS

_NOT_SEEN = {
    name: lambda *_: False for name in ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
}


class NotByHand(NotImplementedError):
    """A call has no hand-written twin, and `strict` was asked for."""


class ByHand(TorchFunctionMode):
    """`native` counts the differentiable calls that ran natively, by name."""

    def __init__(self, strict: bool = False):
        super().__init__()
        self.strict = strict
        self.native: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("out") is None:
            if (twin := _twin(func)) is not None:
                return twin(*args, **kwargs)
            if (opened := _opened(func)) is not None:
                with self:
                    return opened(*args, **kwargs)
        x_out = func(*args, **kwargs)
        if torch.is_grad_enabled() and _made_a_node(x_out, (args, kwargs)):
            name = getattr(func, "__qualname__", getattr(func, "__name__", repr(func)))
            if self.strict:
                raise NotByHand(f"by_hand: {name} has no hand-written twin, and strict=True was asked for.")
            self.native[name] += 1
        return x_out


def _made_a_node(x_out: Any, inputs: Any) -> bool:
    outputs = [t for t in tree_leaves(x_out) if isinstance(t, Tensor) and t.grad_fn is not None]
    if not outputs:
        return False
    before = {id(t) for t in tree_leaves(inputs)}
    return any(id(t) not in before for t in outputs)


def _twin(func: Callable) -> Callable | None:
    """Of a function; and of an in-place form that of the function, put in its place."""
    twin = TWINS.get(func)
    if twin is None and (name := getattr(func, "__name__", "")) and (plain := _IN_PLACE.get(func, _plain(func, name))):
        _IN_PLACE[func] = plain
        if plain in TWINS:
            twin = TWINS[func] = _put_in_place(TWINS[plain])
    return twin


_IN_PLACE: dict[Callable, Callable | None] = {}


def _plain(func: Callable, name: str) -> Callable | None:
    """Tensor.add for Tensor.add_ and Tensor.__iadd__; None where func has no in-place name."""
    if name.startswith("__i") and name.endswith("__") and hasattr(Tensor, f"__{name[3:]}") and name != "__init__":
        return getattr(Tensor, f"__{name[3:]}")
    if name.endswith("_") and not name.endswith("__"):
        return (
            getattr(Tensor, name[:-1], None)
            or getattr(torch, name[:-1], None)
            or getattr(torch.nn.functional, name[:-1], None)
        )
    return None


def _put_in_place(twin: Callable) -> Callable:
    def f(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return in_place(x, twin(x, *args, **kwargs))

    return f


_OPENED: dict[Callable, Callable | None] = {}


def _opened(func: Callable) -> Callable | None:
    """A function of torch's own that is written in Python, so that the mode sees into it; None for others."""
    if func not in _OPENED:
        python = isinstance(func, types.FunctionType) and (func.__module__ or "").split(".")[0] == "torch"
        _OPENED[func] = None
        if python and any(name in func.__code__.co_names for name in _NOT_SEEN):
            opened = types.FunctionType(
                func.__code__, {**func.__globals__, **_NOT_SEEN}, func.__name__, func.__defaults__, func.__closure__
            )
            opened.__kwdefaults__ = func.__kwdefaults__
            _OPENED[func] = opened
    return _OPENED[func]


@contextmanager
def by_hand(strict: bool = False) -> Iterator[ByHand]:
    """Every differentiable torch call inside, of functions, methods and operators, goes to its hand-written twin.

    A call that has none runs natively and is counted in `.native` of what this yields.

    Args:
        strict: raise for such a call instead.

    Raises:
        NotByHand: a call has no twin, and `strict` was asked for.

    >>> with by_hand() as mode:
    ...     J = loss(model(x), y)
    """
    with ByHand(strict) as mode:
        yield mode
