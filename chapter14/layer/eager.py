"""A layer in plain eager mode: an autograd function that saves (node.py) what `remember` returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch._C._functorch as functorch
from torch import Tensor
from torch.autograd import forward_ad

from .func_levels import in_func_vmap
from .modes import autocasting, grad_enabled, is_differentiated, without_autocast
from .node import Node, mark_integers, named, real_parts, save, save_reals, saved

if TYPE_CHECKING:
    from chapter14.layer.base import Layer


def eager_form(layer: type[Layer], vjp: Callable[..., tuple], vjp_once: Callable[..., tuple] | None) -> type[Node]:
    """Its `forward` takes `ctx`. With `setup_context`, PyTorch binds a signature at each call, as slow as the layer.

    Args:
        vjp: g L*, of what was saved.
        vjp_once: the same, where it is not differentiated again.
    """
    forward, remember = layer.forward, layer.remember
    many, may_be_view = layer.many, layer.view or layer.many

    class Eager(Node):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            if autocasting():
                with without_autocast():
                    x_out = forward(*inputs)
            else:
                x_out = forward(*inputs)
            if not may_be_view and x_out._base is not None:
                x_out = _no_view(x_out, inputs)
            save(ctx, remember(ctx.needs_input_grad, inputs, x_out))
            if (x_out[0] if many else x_out).is_complex():
                save_reals(ctx, inputs)
            if forward_ad._current_level >= 0:
                _save_for_jvp(ctx, inputs, x_out)
            if many:
                mark_integers(ctx, x_out)
            return x_out

        @staticmethod
        def backward(ctx: Any, *gs: Tensor) -> tuple:
            if grad_enabled() and any(map(functorch.is_legacy_batchedtensor, gs)):
                return in_func_vmap(lambda *gs: Eager.backward(ctx, *gs), gs)
            g = gs if many else gs[0]
            is_complex = gs[0].is_complex()
            rule = vjp if vjp_once is None or is_complex or is_differentiated(gs) else vjp_once
            if autocasting():
                with without_autocast():
                    g_in = rule(ctx.needs_input_grad, g, *saved(ctx))
            else:
                g_in = rule(ctx.needs_input_grad, g, *saved(ctx))
            return real_parts(layer, g_in, ctx.reals) if is_complex else g_in

        @staticmethod
        def jvp(ctx: Any, *tangents: Tensor | None) -> Any:
            """Autograd passes the dual numbers themselves, and zeros for no tangent, which times infinity are NaN."""
            inputs = [
                c if t is None else forward_ad.unpack_dual(t).primal
                for t, c in zip(ctx.saved_tensors, ctx.inputs, strict=True)
            ]
            ctx.inputs = None
            dx_in = [t if has else None for t, has in zip(tangents, ctx.has_tangent, strict=True)]
            dx_out = layer.jvp(dx_in, *inputs)
            return dx_out if many else layer.cast(dx_out, ctx.dtype)

    return named(Eager, layer)


def _no_view(x_out: Tensor, inputs: Sequence[Any]) -> Tensor:
    """x_out, a view of a tensor that `forward` made, without that base: autograd would refuse to write into a view."""
    bases = [x if x._base is None else x._base for x in inputs if isinstance(x, Tensor)]
    return x_out if any(x_out._base is base for base in bases) else x_out.data


def _save_for_jvp(ctx: Any, inputs: Sequence[Any], x_out: Any) -> None:
    ctx.save_for_forward(*[t if isinstance(t, Tensor) else None for t in inputs])
    ctx.inputs = [None if isinstance(t, Tensor) else t for t in inputs]
    ctx.dtype = None if type(x_out) is tuple else x_out.dtype
    with forward_ad._set_fwd_grad_enabled(True):
        ctx.has_tangent = [isinstance(t, Tensor) and forward_ad.unpack_dual(t).tangent is not None for t in inputs]
