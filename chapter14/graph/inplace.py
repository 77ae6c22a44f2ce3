"""The linear layers of a small MLP with all memory used again: what is fast where one product takes a few microseconds.

Each product is written into the buffer that the last pass left, and in `descend` the update is part of the product:

    W <- W - η g_out^T x_in           one pass over W; dJ/dW is nowhere written out

So x_out and g_in hold until the next forward. θ shares its memory with the parameters that were given. Where a product
is tiny, it is numpy's, which takes half as long to call; x_ is x as numpy sees it, in the same memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..shape import check_shapes
from .rule import Product, Rule

#: As many products of numbers are tiny: neither numpy nor PyTorch would take a second thread.
TINY = 9216


class Linear:
    """x_out = W x_in + b (14.12): W [M, N], b [M] or None; x_in [..., N]."""

    def __init__(self, W: Tensor, b: Tensor | None = None):
        check_shapes("linear", W=(W, "M N"), b=(b, "M"))
        self.W, self.b = W.detach(), None if b is None else b.detach()
        self.theta = [self.W] if self.b is None else [self.W, self.b]
        self._W_T = self.W.t()
        self._b = self.W.new_zeros(len(self.W)) if self.b is None else self.b
        self.free()

    def __repr__(self) -> str:
        return f"Linear({self.W.shape[1]}, {self.W.shape[0]})"

    def free(self) -> None:
        """Drop what is kept for the way back, and the buffers."""
        for buffer in "x_out g_in _x _y _h _g _g_T _ones _x_ _y_ _h_ _g_ _step_ _dW_".split():
            vars(self).pop(buffer, None)
        self._to_W, self._to_b = Product(), Product()
        self._x_in: Tensor | None = None
        self._g_out: Tensor | None = None
        self._shape: Any = None
        self._dtype: Any = None

    def forward(self, x_in: Tensor) -> Tensor:
        if x_in is not self._x_in:
            self._take(x_in)
        if self._tiny:
            np.dot(self._x_, self._W_T_, self._y_)
            np.add(self._y_, self._b_, self._y_)
        else:
            torch.addmm(self._b, self._x, self._W_T, out=self._y)
        return self.x_out

    def backward(self, g_out: Tensor) -> tuple[Tensor | None, ...]:
        """g_out [..., M] → g_in, dJ/dW and, where there is one, dJ/db."""
        g_in = self._back(g_out)
        dJdW = self._g_T @ self._x  # (14.29)
        return (g_in, dJdW) if self.b is None else (g_in, dJdW, self._g.sum(0))  # (14.20)

    def update(self, *dJdtheta: Tensor, lr: float) -> None:
        """θ ← θ - η dJ/dθ, (14.9)."""
        for theta, gradient in zip(self.theta, dJdtheta, strict=True):
            theta.sub_(gradient, alpha=lr)

    def descend(self, g_out: Tensor, rule: Rule, wants_g_in: bool = True) -> Tensor | None:
        """`backward` and `update` in one: g_in, by the W before the update, or None where nobody wants it."""
        g_in = self._back(g_out, wants_g_in)
        if self._tiny and rule.is_plain:
            self._step(rule.lr)
            return g_in
        rule.move(self.W, self._to_W)
        if self.b is not None:
            rule.move(self.b, self._to_b)
        return g_in

    def _back(self, g_out: Tensor, wants_g_in: bool = True) -> Tensor | None:
        if g_out is not self._g_out:
            self._g = g_out.reshape(self._y.shape)
            self._g_T = self._to_W.a = self._to_b.a = self._g.t()
            if self._tiny:
                self._g_ = self._g.numpy()
            self._g_out = g_out if self._g.data_ptr() == g_out.data_ptr() else None
        if not wants_g_in:
            return None
        if self._tiny:
            np.dot(self._g_, self._W_, self._h_)  # (14.36)
        else:
            torch.mm(self._g, self.W, out=self._h)  # (14.18)
        return self.g_in

    def _step(self, lr: float) -> None:
        """θ ← θ - η dJ/dθ (14.9), with g_out times -η first: it has the fewest entries."""
        np.multiply(self._g_, -lr, self._step_)
        np.dot(self._step_.T, self._x_, self._dW_)
        np.add(self._W_, self._dW_, self._W_)
        if self.b is not None:
            step = self._step_[0] if len(self._step_) == 1 else np.dot(self._ones_, self._step_, self._db_)
            np.add(self._b_, step, self._b_)

    def _take(self, x_in: Tensor) -> None:
        """Another x_in than the last: where it has another shape too, other buffers."""
        if x_in.shape != self._shape or x_in.dtype is not self._dtype:
            self._make(x_in)
        self._x = self._to_W.b = x = x_in if x_in.ndim == 2 else x_in.reshape(self._rows)
        if self._tiny:
            self._x_ = x.numpy()
        self._x_in = x_in if x is x_in or x.data_ptr() == x_in.data_ptr() else None  # a copy would not follow it

    def _make(self, x_in: Tensor) -> None:
        check_shapes("linear", x=(x_in, "... N"), W=(self.W, "M N"), b=(self.b, "M"))
        (M, N), B = self.W.shape, x_in.shape[:-1].numel()
        self._rows, self._g_out = (B, N), None
        self.x_out, self.g_in = x_in.new_empty(*x_in.shape[:-1], M), x_in.new_empty(x_in.shape)
        self._y, self._h = self.x_out.view(B, M), self.g_in.view(B, N)
        self._ones = self._to_b.b = x_in.new_ones(B)
        self._tiny = B * M * N <= TINY and all(seen_by_numpy(t) for t in (x_in, self.W, self._b))
        if self._tiny:
            self._W_, self._b_, self._y_, self._h_ = (t.numpy() for t in (self.W, self._b, self._y, self._h))
            self._W_T_, self._ones_ = self._W_.T, self._ones.numpy()
            self._step_, self._dW_, self._db_ = (np.empty_like(a, order="C") for a in (self._y_, self._W_, self._b_))
        self._shape, self._dtype = x_in.shape, x_in.dtype


def seen_by_numpy(t: Tensor) -> bool:
    return type(t) is Tensor and t.device.type == "cpu" and t.dtype in (torch.float32, torch.float64)
