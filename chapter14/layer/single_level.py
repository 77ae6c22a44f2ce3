"""A layer inside torch.func's grad, vjp and jvp: what PyTorch's `custom_function_call` does, in less time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch._C._functorch as functorch
from torch import Tensor
from torch._functorch.autograd_function import custom_function_call
from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

from .accepted_tensors import PLAIN
from .modes import in_function_mode, transformed
from .node import Node, call_nodes

_DIFFERENTIATES = functorch.TransformType.Grad, functorch.TransformType.Jvp


@functools.cache
def single_level(func: type[Node]) -> Callable[..., Any]:
    """custom_function_call(func, ...) of inputs none of which is a tuple, a list or a dict.

    PyTorch's makes an autograd function for each call and level, and maps five functions over nested inputs. Here both
    are avoided: there is one autograd function, which asks at which level it is, and the inputs are flat.
    """

    def call(*inputs: Any) -> Any:
        if not transformed():
            return func.apply(*inputs) if _is_differentiated(inputs) else _distinct(func.forward(*inputs), inputs)
        if not _is_light(inputs):
            return custom_function_call(func, *inputs)
        interpreter = retrieve_current_functorch_interpreter()  # a name of it, since it owns what `lift` works on
        lift = interpreter._cptr.lift
        with enable_single_level_autograd_function():
            return Level.apply(  # type: ignore[attr-defined]
                *[lift(functorch.unwrap_if_dead(x)) if isinstance(x, Tensor) else x for x in inputs]
            )

    class Level(_SingleLevelFunction):
        setup_context, backward = staticmethod(func.setup_context), staticmethod(func.backward)
        jvp = staticmethod(func.jvp)

        @staticmethod
        def forward(*inputs: Any) -> Any:
            interpreter = retrieve_current_functorch_interpreter()
            level = interpreter.level()
            inner = [functorch._unwrap_for_grad(x, level) if isinstance(x, Tensor) else x for x in inputs]
            with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True), interpreter.lower():
                x_out = call(*inner)
            outer = {id(x): y for x, y in zip(inner, inputs, strict=True)}

            def wrapped(x: Any) -> Any:
                if not isinstance(x, Tensor):
                    return x
                return outer[id(x)] if id(x) in outer else functorch._wrap_for_grad(x, level)

            return tuple(map(wrapped, x_out)) if isinstance(x_out, tuple) else wrapped(x_out)

    call_nodes(Level, f"{func.__name__}Generated")
    return call


def _is_differentiated(inputs: tuple) -> bool:
    """Whether an input outside of all levels has a graph or a tangent."""
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    has_tangent = forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(x).tangent is not None for x in tensors)
    return has_tangent or any(x.requires_grad for x in tensors)


def _distinct(x_out: Any, inputs: tuple) -> Any:
    """x_out, with a view in place of a tensor that is an input, as of an autograd function."""
    if isinstance(x_out, tuple):
        return tuple(_distinct(x, inputs) for x in x_out)
    is_input = isinstance(x_out, Tensor) and any(x_out is x for x in inputs)
    return x_out.view_as(x_out) if is_input else x_out


def _is_light(inputs: tuple) -> bool:
    """Whether the innermost transform differentiates, and neither a mode nor a tensor's class observes the call."""
    if functorch.peek_interpreter_stack().key() not in _DIFFERENTIATES:
        return False
    if in_function_mode() or torch._C._len_torch_dispatch_stack():
        return False
    return all(type(x) in PLAIN for x in inputs if isinstance(x, Tensor))
