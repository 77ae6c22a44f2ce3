"""The mean of each part of an image, and the linear layer that often follows it.

x_out = A x                    A: the mean of each part, [parts x pixels]
x_out = W A x + b              with more parts than pixels, (W A) x + b: W A is smaller than W, and is cached
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..layers.pool.avg_pool import AdaptiveWindows
from .layers import FrozenAvgPool, FrozenLinear, require


class FrozenAdaptivePool(FrozenAvgPool):
    """x [B, C, H, W] → [B, C, *parts]; where `is_flat`, [B, N]; and then through `linear`, if there is one."""

    windows: AdaptiveWindows
    linear: FrozenLinear | None
    is_flat = False

    def __init__(self, parts: AdaptiveWindows):
        super().__init__(parts)
        self.register_module("linear", None)

    @property
    def is_local(self) -> bool:  # type: ignore[override]
        return self.linear is None and not self.is_flat

    def forward(self, x):
        require(x.ndim == 4)
        if self.linear is None:
            x_out = super().forward(x)
            return x_out.flatten(1) if self.is_flat else x_out
        if (product := self._product(x.shape)) is not None:
            return product.forward(x.flatten(1))
        return self.linear.forward(self._mean(x).flatten(1))

    def bound(self, x):
        return max(x) if self.linear is None else torch.inf

    def backward(self, g, shapes, saved):
        B, image = len(g), shapes[0][1:]
        if self.linear is not None:
            if (product := self._product(shapes[0])) is not None:
                return (product.backward(g, shapes, None)[0].view(B, *image),)
            (g,) = self.linear.backward(g, shapes, None)
        g = g.reshape(B, image[0], *self.windows.size)
        return (g,) if self.windows.size == tuple(image[1:]) else super().backward(g, shapes, saved)

    def jvp(self, dx, shapes, saved):
        dx_out = self._mean(dx[0])
        if self.linear is None:
            return dx_out.flatten(1) if self.is_flat else dx_out
        return self.linear.jvp([dx_out.flatten(1)], shapes, None)

    def _mean(self, x: Tensor) -> Tensor:
        return x if self.windows.size == x.shape[2:] else self.windows.mean(x)

    def _product(self, shape: torch.Size) -> FrozenLinear | None:
        """W A for images of this shape, where it is smaller than W."""
        W, image = self.linear.W, tuple(shape[2:])  # type: ignore[union-attr]
        if math.prod(image) >= math.prod(self.windows.size) or not shape.numel():
            return None
        key = image, id(W), W._version
        if key not in self._cache:
            WA = W.view(len(W), -1, *self.windows.size)
            for axis in (1, 0):
                WA = self.windows.distribute(WA, axis, image[axis])
            self._cache = {key: FrozenLinear(WA.flatten(1), self.linear.b)}  # type: ignore[union-attr]
        return self._cache[key]
