"""Pointwise layers in a chain: relu in memory that is used again, and others straight, without autograd's books.

g_in = g_out h'     (14.33)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..layer import Layer
from .inplace import seen_by_numpy as seen_by_numpy
from .rule import Rule

#: Up to so many entries numpy's call is the faster one.
TINY = 1024


class Relu:
    """x_out = max(x_in, 0), entry by entry; h'(0) is `at_zero` (14.32)."""

    theta: tuple = ()

    def __init__(self, at_zero: float = 1):
        self.at_zero = at_zero
        self._opens = torch.ge if at_zero else torch.gt
        self.free()

    def __repr__(self) -> str:
        return "Relu()"

    def free(self) -> None:
        """Drop what is kept for the way back, and the buffers."""
        for buffer in ("x_out", "h_prime", "g_in", "_x_", "_x_out_", "_h_prime_", "_g_in_", "_g_out_"):
            vars(self).pop(buffer, None)
        self.x_in: Tensor | None = None
        self._g_out: Tensor | None = None
        self._made_for: tuple | None = None

    def forward(self, x_in: Tensor) -> Tensor:
        if x_in is not self.x_in:
            self._take(x_in)
        if self._tiny:
            np.maximum(self._x_, self._zero_, out=self._x_out_)
        else:
            torch.clamp_min(x_in, 0, out=self.x_out)
        return self.x_out

    def backward(self, g_out: Tensor) -> tuple[Tensor]:
        """g_out → g_in, as the only entry."""
        assert self.x_in is not None
        if self._tiny:
            if g_out is not self._g_out:
                self._g_out, self._g_out_ = g_out, g_out.numpy()
            np.heaviside(self._x_, self._at_zero_, out=self._h_prime_)
            np.multiply(self._g_out_, self._h_prime_, out=self._g_in_)
        else:
            self._opens(self.x_in, 0, out=self.h_prime)  # heaviside takes forty times as long
            torch.mul(g_out, self.h_prime, out=self.g_in)
        return (self.g_in,)

    def update(self, lr: float) -> None:
        """There is no θ."""

    def descend(self, g_out: Tensor, rule: Rule, wants_g_in: bool = True) -> Tensor | None:
        return self.backward(g_out)[0] if wants_g_in else None

    def _take(self, x_in: Tensor) -> None:
        if (x_in.shape, x_in.dtype, x_in.device) != self._made_for:
            self.x_out, self.h_prime, self.g_in = (torch.empty_like(x_in) for _ in range(3))
            self._tiny, self._g_out = x_in.numel() <= TINY and seen_by_numpy(x_in), None
            if self._tiny:
                buffers = (self.x_out, self.h_prime, self.g_in, x_in.new_zeros(()), x_in.new_full((), self.at_zero))
                self._x_out_, self._h_prime_, self._g_in_, self._zero_, self._at_zero_ = (t.numpy() for t in buffers)
            self._made_for = x_in.shape, x_in.dtype, x_in.device
        if self._tiny:
            self._x_ = x_in.numpy()
        self.x_in = x_in


class Pointwise:
    """x_out = h(x_in), h a `Layer` with its constants."""

    theta: tuple = ()

    def __init__(self, layer: type[Layer], *constants: Any):
        assert layer.backward_once is not None
        self.layer, self.constants, self._back = layer, constants, layer.backward_once
        self._kept: tuple = ()

    def __repr__(self) -> str:
        return f"{self.layer.__name__}()"

    def free(self) -> None:
        """Drop what is kept for the way back."""
        self._kept = ()

    def forward(self, x_in: Tensor) -> Tensor:
        inputs = x_in, *self.constants
        x_out = self.layer.forward(*inputs)
        self._kept = self.layer.remember((True,), inputs, x_out)
        return x_out

    def backward(self, g_out: Tensor) -> tuple[Tensor]:
        """g_out → g_in, as the only entry."""
        return (self._back((True,), g_out, *self._kept)[0],)

    def update(self, lr: float) -> None:
        """There is no θ."""

    def descend(self, g_out: Tensor, rule: Rule, wants_g_in: bool = True) -> Tensor | None:
        return self.backward(g_out)[0] if wants_g_in else None
