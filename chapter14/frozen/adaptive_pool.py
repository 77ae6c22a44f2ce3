"""The mean of each part of an image, and the linear layer that often follows it.

x_out = A x                    A: the mean of each part, [parts x places]
x_out = W A x + b              with more parts than places, (W A) x + b: W A is smaller than W, and made once
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..layers.pool.avg_pool import AdaptiveWindows
from .layers import FrozenAvgPool, FrozenLinear, fit


class FrozenAdaptivePool(FrozenAvgPool):
    """x [B, C, H, W] → [B, C, *parts]; where `is_flat`, [B, N]; and then through `linear`, if there is one."""

    windows: AdaptiveWindows
    linear: FrozenLinear | None
    is_flat = False

    def __init__(self, parts: AdaptiveWindows):
        super().__init__(parts)
        self.register_module("linear", None)
        self._whole: tuple[Any, FrozenLinear] | None = None

    def forward(self, x):
        fit(x.ndim == 4)
        if self.linear is None:
            x = super().forward(x)
            return x.flatten(1) if self.is_flat else x
        if (whole := self._with_parts(x.shape)) is not None:
            return self._through(whole.forward(x.flatten(1)))
        return self._through(self.linear.forward(self._mean(x).flatten(1)))

    def bound(self, x):
        return max(x) if self.linear is None else torch.inf

    def back(self, g, like, kept):
        B, image = len(g), like[0][1:]
        if self.linear is not None:
            if (whole := self._with_parts(like[0])) is not None:
                return (whole.back(g, like, None)[0].view(B, *image),)
            (g,) = self.linear.back(g, like, None)
        g = g.reshape(B, image[0], *self.windows.size)
        return (g,) if self.windows.size == tuple(image[1:]) else super().back(g, like, kept)

    def along(self, dx, like, kept):
        (dx,) = dx
        dx = self._mean(dx)
        if self.linear is None:
            return dx.flatten(1) if self.is_flat else dx
        return self.linear.along([dx.flatten(1)], like, None)

    def _mean(self, x: Tensor) -> Tensor:
        return x if self.windows.size == x.shape[2:] else self.windows.mean(x)

    def _through(self, x_out: Tensor) -> Tensor:
        return x_out.relu_() if self.relu else x_out

    def _with_parts(self, shape: torch.Size) -> FrozenLinear | None:
        """W A for images of this size, where it is smaller than W."""
        W, image = self.linear.W, tuple(shape[2:])  # type: ignore[union-attr]
        if math.prod(image) >= math.prod(self.windows.size) or not shape.numel():
            return None
        if self._whole is None or self._whole[0] != (image, id(W), W._version):
            WA = W.view(len(W), -1, *self.windows.size)
            for axis in (1, 0):
                WA = self.windows.distribute(WA, axis, image[axis])
            self._whole = (image, id(W), W._version), FrozenLinear(WA.flatten(1), self.linear.b)  # type: ignore[union-attr]
        return self._whole[1]

    def __getstate__(self):
        return {**super().__getstate__(), "_whole": None}
