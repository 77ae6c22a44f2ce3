"""The layers of an MLP in preallocated memory: linear (section 14.6.1) and relu (14.6.2).

    x_out = W x_in + b      g_in = g_out W (14.18)      dJ/dW = g_out^T x_in (14.29)      dJ/db = g_out (14.20)
    x_out = max(x_in, 0)    g_in = g_out h' (14.33)

A name with `_` at its end is numpy's view of the same memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...layer.shape import ShapeError, check_shapes, was_given
from ...layers.core.cache_blocks import BLOCK
from ...layers.linear.linear import gradient_factors
from ...layers.pointwise.piecewise import Relu
from ..rule import FactoredGradient
from .preallocated import TINY, Kernel, PreallocatedLayer, seen_by_numpy


class LinearStage(PreallocatedLayer):
    """x_out = W x_in + b (14.12): W [M, N], b [M] or None. They share the memory of the parameters that were given."""

    name = "Linear"

    def __init__(self, W: Tensor, b: Tensor | None = None):
        super().__init__()
        check_shapes("linear", W=(W, "M N"), b=(b, "M"))
        self.W, self.b = W.detach(), None if b is None else b.detach()
        self.theta = [self.W] if self.b is None else [self.W, self.b]

    def __repr__(self) -> str:
        return f"Linear({self.W.shape[1]}, {self.W.shape[0]})"

    def shape_out(self, x_in: Tensor) -> tuple[int, ...]:
        check_shapes("linear", x=(x_in, "... N"), W=(self.W, "M N"), b=(self.b, "M"))
        if any(t.dtype != x_in.dtype for t in self.theta):
            raise ShapeError(f"linear: x, W and b have one dtype; {was_given(x=x_in, W=self.W, b=self.b)}")
        return *x_in.shape[:-1], len(self.W)

    def kernel(self, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor) -> Kernel:
        W, b = self.W, self.b
        _, *by_theta = gradient_factors(g_out, x, W, x.new_ones(len(x)))
        gradients = [(theta, FactoredGradient(*factors)) for theta, factors in zip(self.theta, by_theta, strict=False)]
        tiny = len(x) * W.numel() <= TINY and seen_by_numpy(x, *self.theta)
        make = _numpy_linear if tiny else _linear_of_one if len(x) == 1 else _linear
        return make(W, b, x, x_out, g_in, g_out, gradients)


def _linear(W: Tensor, b: Any, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor, gradients: Any) -> Kernel:
    W_T, (by_x, *_) = W.t(), gradient_factors(g_out, x, W)

    def forward() -> None:
        torch.mm(x, W_T, out=x_out) if b is None else torch.addmm(b, x, W_T, out=x_out)

    def backward() -> None:
        torch.mm(*by_x, out=g_in)

    def update(lr: float) -> None:
        for theta, gradient in gradients:
            gradient.into(theta, 1, -lr)

    return Kernel(forward, backward, gradients, update)


def _linear_of_one(W: Tensor, b: Any, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor, gradients: Any) -> Kernel:
    """For one datapoint: the product of a matrix and a vector is another kernel of PyTorch's."""
    kernel, x_1, x_out_1 = _linear(W, b, x, x_out, g_in, g_out, gradients), x[0], x_out[0]
    rows = BLOCK // W.shape[1] + 1
    parts = zip(W.split(rows), g_out.split(rows, 1), strict=True)
    blocks = [(W_i, *gradient_factors(g_i, x, W_i)) for W_i, g_i in parts]

    def forward() -> None:
        torch.mv(W, x_1, out=x_out_1) if b is None else torch.addmv(b, W, x_1, out=x_out_1)

    def descend(lr: float) -> None:
        """Most of the memory that is read is W: each block of it is read once, for both."""
        g_in.zero_()
        for W_i, by_x, by_W, _ in blocks:
            g_in.addmm_(*by_x)
            FactoredGradient(*by_W).into(W_i, 1, -lr)
        for theta, gradient in gradients[1:]:
            gradient.into(theta, 1, -lr)

    return kernel._replace(forward=forward, descend=descend if len(blocks) > 1 else None)


def _numpy_linear(W: Tensor, b: Any, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor, gradients: Any) -> Kernel:
    W_, x_, y_, h_, g_ = (t.numpy() for t in (W, x, x_out, g_in, g_out))
    b_ = None if b is None else b.numpy()
    W_T, dW_, db_ = W_.T, np.empty(W_.shape, W_.dtype), np.empty(len(W_), W_.dtype)
    rate_, step_, ones_ = np.zeros((), W_.dtype), np.empty_like(g_), np.ones(len(g_), W_.dtype)
    by_x, *_ = gradient_factors(g_, x_, W_)
    _, by_W, by_b = gradient_factors(step_, x_, W_, ones_)
    only_ = step_[0] if len(step_) == 1 else None
    dot: Any = np.dot
    multiply, add = np.multiply, np.add

    def forward() -> None:
        dot(x_, W_T, y_)
        if b_ is not None:
            add(y_, b_, y_)

    def backward() -> None:
        dot(*by_x, h_)

    def update(lr: float) -> None:
        rate_[()] = -lr
        multiply(g_, rate_, step_)  # -η g_out first: it has the fewest entries
        dot(*by_W, dW_)
        add(W_, dW_, W_)
        if b_ is not None:
            add(b_, dot(*by_b, db_) if only_ is None else only_, b_)

    return Kernel(forward, backward, gradients, update)


class ReluStage(PreallocatedLayer):
    """x_out = max(x_in, 0), entry by entry; h'(0) is `at_zero` (14.32)."""

    name = "Relu"

    def __init__(self, at_zero: float = 1):
        super().__init__()
        self.at_zero = at_zero

    def __repr__(self) -> str:
        return "Relu()"

    def shape_out(self, x_in: Tensor) -> torch.Size:
        return x_in.shape

    def slope(self, x_in: Any) -> tuple[Any, Any]:
        """x_out and h', each [*x_in]; numpy arrays for an array."""
        if isinstance(x_in, np.ndarray):
            return x_in.clip(0), Relu.opens(self.at_zero, np)(x_in, 0).astype(x_in.dtype)
        return x_in.clip(0), Relu.opens(self.at_zero)(x_in, 0).to(x_in.dtype)

    def kernel(self, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor) -> Kernel:
        h_prime = torch.empty_like(x)
        if x.numel() <= TINY // 9 and seen_by_numpy(x):  # beyond that, numpy's heaviside is slower
            x_, y_, h_, g_, h_prime_ = (t.numpy() for t in (x, x_out, g_in, g_out, h_prime))
            zero_, at_zero_ = np.zeros((), x_.dtype), np.full((), self.at_zero, x_.dtype)
            maximum, heaviside, multiply = np.maximum, np.heaviside, np.multiply

            def backward_() -> None:
                heaviside(x_, at_zero_, h_prime_)
                multiply(g_, h_prime_, h_)

            return Kernel(lambda: maximum(x_, zero_, out=y_), backward_)
        opens = Relu.opens(self.at_zero)  # torch.heaviside takes forty times as long

        def backward() -> None:
            opens(x, 0, out=h_prime)
            torch.mul(g_out, h_prime, out=g_in)

        return Kernel(lambda: torch.clamp_min(x, 0, out=x_out), backward)
