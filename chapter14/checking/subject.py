"""What can be checked, as a `Case`: a Layer, a torch.autograd.Function, a custom operator, a module, a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.autograd import Function

from ..layer.base import Layer
from .case import Case, Draw
from .raw_backward import argument_names, names_of_function


def make_case(f: Any, inputs: tuple | Callable[[Draw, int], tuple], like: Callable | None = None) -> Case:
    """The case for the arguments of `check`.

    Raises:
        TypeError: f is not callable, or there is no floating-point input.
    """
    f = getattr(f, "__self__", f) if getattr(f, "__name__", None) == "apply" else f  # Function.apply → Function
    title = getattr(f, "__name__", type(f).__name__)
    if isinstance(f, type) and issubclass(f, Layer):
        names, like, f = argument_names(f.forward), like or f.forward, f.of
    elif isinstance(f, type) and issubclass(f, Function):
        names, f = names_of_function(f), f.apply
    elif callable(f):
        names = argument_names(f)
    else:
        raise TypeError(
            f"check: f must be a Layer, or a function made of layers, or a torch.autograd.Function; got {f!r}."
        )
    if not callable(inputs):
        inputs = _fixed_inputs(tuple(inputs))
    return Case(f, like, inputs, title=title, names=names)


def _fixed_inputs(inputs: tuple) -> Callable[[Draw, int], tuple]:
    """A function that gives the same inputs for every n, in the dtype of the draw."""
    tensors = [t for t in inputs if isinstance(t, Tensor) and t.is_floating_point()]
    if not tensors:
        raise TypeError("check: no floating-point tensor among the inputs, so there is no gradient to check.")
    with_grad = {id(t) for t in tensors if t.requires_grad} or {id(t) for t in tensors}

    def copies(draw: Draw, n: int) -> tuple:
        def copy(t: Any) -> Any:
            if not any(t is s for s in tensors):
                return t
            return t.detach().to(draw(1)).clone().requires_grad_(id(t) in with_grad)

        return tuple(copy(t) for t in inputs)

    return copies
