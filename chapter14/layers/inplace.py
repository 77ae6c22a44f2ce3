"""In-place forms, as `x += y` and `relu_`: what is computed is put where x lies, and x goes on as that.

    x_out = y,  in the memory of x          L^x = 0          L^y = I

Autograd's own rules hold: a leaf that asks for a gradient cannot be written over, and whoever remembered x is told.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..layer import Layer, LinearMap, Node


class InPlace(Layer):
    @staticmethod
    def forward(x, y):
        return y

    @staticmethod
    def remember(needs, inputs, x_out):
        return ()

    @staticmethod
    def backward(needs, g):
        return None, g if needs[1] else None


class _WrittenOver(Node):
    """The one form of `InPlace` that writes."""

    layer = InPlace

    @staticmethod
    def forward(ctx, x, y):
        ctx.mark_dirty(x)
        return x.copy_(y)

    @staticmethod
    def backward(ctx, g):
        return InPlace.backward(ctx.needs_input_grad, g)

    @staticmethod
    def jvp(ctx, dx, dy):
        return dx.copy_(dy) if dy is not None else dx.zero_()


class Copy(LinearMap):
    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def transpose(g, shape):
        return g


def copied(x: Tensor) -> Tensor:
    """x, in memory of its own where a graph is wanted: for a layer that remembers its x_in, and is put in x's place."""
    return Copy.of(x) if torch.is_grad_enabled() and x.requires_grad else x


def in_place(x: Tensor, y: Tensor) -> Tensor:
    """y, put where x lies: [*x], in x's dtype. Returns x.

    Raises:
        RuntimeError: y broadcasts to another shape than x's, or x is a leaf that asks for a gradient.
    """
    if y.shape != x.shape:
        raise RuntimeError(f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(y.shape)}")
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        # Neither takes a Function with ctx first and a jvp; and a copy has no derivative to speak of.
        return x.copy_(y)
    graph = torch.is_grad_enabled() and (x.requires_grad or y.requires_grad)
    if graph or forward_ad._current_level >= 0:
        return _WrittenOver.apply(x, y)
    return x.copy_(y)
