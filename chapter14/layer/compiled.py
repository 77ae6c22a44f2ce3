"""A layer that torch.compile traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .node import Node, mark_integers, named, real_parts, save, save_reals, saved

if TYPE_CHECKING:
    from chapter14.layer.base import Layer


def compiled_form(layer: type[Layer]) -> type[Node]:
    """It has no `jvp`, since Dynamo refuses a function that has one."""

    class Compiled(Node):
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Any) -> Any:  # `apply` asks for a signature, which a builtin such as torch.reshape has not
            return layer.forward(*inputs)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, x_out: Any) -> None:
            save(ctx, layer.remember(ctx.needs_input_grad, inputs, x_out))
            if (x_out[0] if layer.many else x_out).is_complex():
                save_reals(ctx, inputs)
            mark_integers(ctx, x_out)

        @staticmethod
        def backward(ctx: Any, *gs: Tensor) -> tuple:
            with torch.autocast(gs[0].device.type, enabled=False):
                g_in = layer.vjp(ctx.needs_input_grad, gs if layer.many else gs[0], *saved(ctx))
            return real_parts(layer, g_in, ctx.reals) if gs[0].is_complex() else g_in

    return named(Compiled, layer)
