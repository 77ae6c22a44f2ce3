"""A layer inside torch.func's transforms: grad, vjp, jvp, vmap, and any of them inside another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch._C._functorch as functorch
from torch import Tensor
from torch.autograd import forward_ad

from .func_levels import forward_mode, in_func_vmap, jvp_level, opened, primal, unbatched
from .modes import grad_enabled, without_autocast
from .node import Node, mark_integers, named, real_parts, save, save_reals, saved

if TYPE_CHECKING:
    from chapter14.layer.base import Layer


def func_form(layer: type[Layer]) -> type[Node]:
    """Its `forward` is called without `ctx`, and `setup_context` after it; vmap calls all with batched tensors."""
    forward, remember, vmap, many = layer.forward, layer.remember, layer.vmap, layer.many

    class Func(Node):
        generate_vmap_rule = vmap is None

        @staticmethod
        def forward(*inputs: Any) -> Any:
            with without_autocast():
                x_out = forward(*map(opened, inputs))
            if isinstance(x_out, Tensor) and x_out._is_zerotensor():
                x_out = torch.zeros_like(x_out)  # a zero tangent has no memory, and cannot have a tangent itself
            return x_out

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, x_out: Any) -> None:
            inputs = tuple(map(opened, inputs))
            ctx.dtype = None if many else x_out.dtype
            if (x_out[0] if many else x_out).is_complex():
                save_reals(ctx, inputs)
            remembered = remember(ctx.needs_input_grad, inputs, x_out)
            ctx.remembered = len(remembered)
            if forward_mode():  # vmap has one list of batch axes for both modes, so both have one list of tensors
                remembered = (*remembered, *inputs)
                ctx.save_for_forward(*[t if isinstance(t, Tensor) else None for t in remembered])
            save(ctx, remembered)
            mark_integers(ctx, x_out)

        @staticmethod
        def backward(ctx: Any, *gs: Tensor) -> tuple:
            if grad_enabled() and any(functorch.is_legacy_batchedtensor(unbatched(g)) for g in gs):
                return in_func_vmap(lambda *gs: Func.backward(ctx, *gs), gs)
            with without_autocast():
                g_in = layer.vjp(ctx.needs_input_grad, gs if many else gs[0], *saved(ctx)[: ctx.remembered])
            return real_parts(layer, g_in, ctx.reals) if gs[0].is_complex() else g_in

        @staticmethod
        def jvp(ctx: Any, *tangents: Tensor | None) -> Any:
            """The saved inputs lose this level's tangent; the tangents of outer levels go through the rule."""
            level = jvp_level()
            inputs = [primal(t, level) for t in saved(ctx)[ctx.remembered :]]
            with forward_ad._set_fwd_grad_enabled(True):
                dx_out = layer.jvp(tangents, *inputs)
                return dx_out if many else layer.cast(dx_out, ctx.dtype)

    if vmap is not None:
        Func.vmap = staticmethod(  # type: ignore[method-assign]
            lambda info, in_dims, *inputs: vmap(info, in_dims, *map(opened, inputs))
        )
    return named(Func, layer)
