"""`Layer.of`: calls the form of the layer that PyTorch's active modes need, or `forward` alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from .accepted_tensors import PLAIN, check_dense
from .alias import noted, writable
from .func_levels import Opaque
from .fuse import SWITCH, fused
from .modes import autocasting, compiling, grad_enabled, in_function_mode, mode_ignores_layers, transformed
from .precision import as_autocast, in_float32, is_low, low_precision, rounded
from .recorder import AT_WORK, recorder
from .shape import ShapeError, misfit, the_call
from .single_level import single_level

if TYPE_CHECKING:
    from chapter14.layer.base import Layer

_strided = torch.strided


def dispatcher(layer: type[Layer]) -> Callable[..., Any]:
    forward, func, autocast, opmath, view = layer.forward, layer.func, layer.autocast, layer.opmath, layer.view
    # Function.apply binds a signature at each call; neither of these does.
    eager = super(Function, layer.eager).apply  # type: ignore[misc]
    fusible = layer.fusible and not layer.many
    name = layer.title or layer.__name__.lower()
    if view:
        eager = writable(eager)

    def of(*inputs: Any) -> Any:
        if compiling():
            return _traced(layer, inputs)
        try:
            if autocast and autocasting():
                inputs = as_autocast(autocast, inputs, layer.cast)
            if opmath and is_low(inputs):
                return low_precision(layer).of(*inputs)
            if AT_WORK and (listening := recorder()) is not None:
                return listening.layer(layer, inputs)
            if in_function_mode() and mode_ignores_layers(inputs):
                with torch._C.DisableTorchFunction():
                    return of(*inputs)
            for x in inputs:
                if isinstance(x, Tensor) and (type(x) not in PLAIN or x.layout is not _strided):
                    check_dense(name, x)
            if transformed():
                one_each = [Opaque(x) if isinstance(x, tuple | list | dict) else x for x in inputs]
                x_out = single_level(func)(*one_each)
                return noted(layer, inputs, x_out) if view else x_out
            if grad_enabled():
                for x in inputs:
                    if isinstance(x, Tensor) and x.requires_grad:
                        if fusible and SWITCH.on:
                            return fused(layer)(*inputs)  # type: ignore[arg-type]
                        return eager(*inputs)
            if forward_ad._current_level >= 0:
                return eager(*inputs)
            return forward(*inputs)
        except RuntimeError as error:
            for x in inputs:
                if isinstance(x, Tensor):
                    check_dense(name, x)
            if type(error) is not RuntimeError:
                raise
            raise _explained(name, layer.letters, inputs, error) from error

    of.__name__ = of.__qualname__ = layer.__name__
    of.layer = layer  # type: ignore[attr-defined]
    return of


def _traced(layer: type[Layer], inputs: tuple) -> Any:
    """A call, as Dynamo traces it."""
    if layer.autocast:
        inputs = as_autocast(layer.autocast, inputs, layer.cast)
    if layer.opmath and is_low(inputs):  # what is saved, and in which dtype, is the compiler's choice
        return rounded(layer, _traced(layer, in_float32(layer, inputs)), inputs)
    # Second order through a Function that was captured inside torch.func is silently wrong: plain operations there.
    if not transformed() and grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        form = layer.fused or layer
        x_out = form.compiled.apply(*_distinct(inputs))
        return x_out[0] if form.many and not layer.many else x_out
    return layer.forward(*inputs)


def _distinct(inputs: Sequence[Any]) -> list[Any]:
    """The inputs, with a repeated tensor replaced by a view of it: Dynamo refuses the same tensor twice."""
    distinct: list[Any] = []
    for x in inputs:
        distinct.append(x.view_as(x) if isinstance(x, Tensor) and any(x is y for y in distinct) else x)
    return distinct


def _explained(name: str, letters: dict[str, str], inputs: Sequence[Any], error: RuntimeError) -> RuntimeError:
    call = the_call(name, letters, inputs)
    if wrong := misfit(letters, inputs):
        return ShapeError(f"{name}: {wrong} does not fit. {call}")
    return ShapeError(f"{name}: {error} {call}") if call else error
