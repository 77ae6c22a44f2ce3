"""The layers of an MLP, as they lay themselves out for `Passes`: linear (section 14.6.1) and relu (14.6.2).

    x_out = W x_in + b      g_in = g_out W (14.18)      dJ/dW = g_out^T x_in (14.29)      dJ/db = g_out (14.20)
    x_out = max(x_in, 0)    g_in = g_out h' (14.33)

θ shares its memory with the parameters that were given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial as call
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...layer.shape import ShapeError, check_shapes, in_words
from ...layers.core.blocks import BLOCK
from ..rule import Product
from .passes import TINY, Calls, LaidOut, Rate, Way, seen_by_numpy


class Linear(LaidOut):
    """x_out = W x_in + b (14.12): W [M, N], b [M] or None."""

    def __init__(self, W: Tensor, b: Tensor | None = None):
        check_shapes("linear", W=(W, "M N"), b=(b, "M"))
        self.W, self.b = W.detach(), None if b is None else b.detach()
        self.theta = [self.W] if self.b is None else [self.W, self.b]

    def __repr__(self) -> str:
        return f"Linear({self.W.shape[1]}, {self.W.shape[0]})"

    def shape_out(self, x_in: Tensor) -> tuple[int, ...]:
        check_shapes("linear", x=(x_in, "... N"), W=(self.W, "M N"), b=(self.b, "M"))
        if any(t.dtype != x_in.dtype for t in self.theta):
            given = f"x {in_words(x_in)}, W {in_words(self.W)}"
            raise ShapeError(f"linear: x, W and b have one dtype. It was given {given}.")
        return *x_in.shape[:-1], len(self.W)

    def lay_out(self, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor, rate: Rate) -> Way:
        W, b, g_T = self.W, self.b, g_out.t()
        moves = [(W, Product(g_T, x))]
        if b is not None:
            moves.append((b, Product(g_T, x.new_ones(len(x)))))
        if len(x) * W.numel() <= TINY and seen_by_numpy(x, *self.theta):
            return Way(*_tiny_calls(W, b, x, x_out, g_in, g_out, rate), moves)
        if len(x) == 1:  # a matrix and a vector take another kernel
            forward = call(torch.mv, W, x[0]) if b is None else call(torch.addmv, b, W, x[0])
            forward = call(forward, out=x_out[0])
        else:
            forward = call(torch.mm, x, W.t()) if b is None else call(torch.addmm, b, x, W.t())
            forward = call(forward, out=x_out)
        step = [call(_step, theta, product, rate) for theta, product in moves]
        back = [call(torch.mm, g_out, W, out=g_in)]  # (14.36)
        if len(x) > 1 or W.numel() <= BLOCK:
            return Way([forward], back, step, moves)
        rows = BLOCK // W.shape[1] + 1  # W is most of what is read: read it once for both, in blocks
        both: list[Callable[[], Any]] = [g_in.zero_]
        for W_i, g_i in zip(W.split(rows), g_out.split(rows, 1), strict=True):
            both += [call(g_in.addmm_, g_i, W_i), call(_step, W_i, Product(g_i.t(), x), rate)]
        return Way([forward], back, step, moves, [*both, *step[1:]])


def _step(theta: Tensor, gradient: Product, rate: Rate) -> None:
    """θ ← θ - η dJ/dθ, (14.9)."""
    gradient.into(theta, 1, rate.minus)


def _tiny_calls(
    W: Tensor, b: Tensor | None, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor, rate: Rate
) -> tuple[Calls, Calls, Calls]:
    """Forward, back and step."""
    W_, x_, y_, h_, g_ = (t.numpy() for t in (W, x, x_out, g_in, g_out))
    forward, back = [call(np.dot, x_, W_.T, y_)], [call(np.dot, g_, W_, h_)]
    step_, dW_ = np.empty_like(g_), np.empty(W_.shape, W_.dtype)  # -η g_out first: it has the fewest entries
    step = [call(np.multiply, g_, rate.minus_, step_), call(np.dot, step_.T, x_, dW_), call(np.add, W_, dW_, W_)]
    if b is not None:
        b_ = b.numpy()
        db_ = step_[0] if len(step_) == 1 else np.empty_like(b_)
        forward.append(call(np.add, y_, b_, y_))
        step += [] if len(step_) == 1 else [call(np.dot, np.ones(len(step_), step_.dtype), step_, db_)]
        step.append(call(np.add, b_, db_, b_))
    return forward, back, step


class Relu(LaidOut):
    """x_out = max(x_in, 0), entry by entry; h'(0) is `at_zero` (14.32)."""

    def __init__(self, at_zero: float = 1):
        self.at_zero = at_zero

    def __repr__(self) -> str:
        return "Relu()"

    def shape_out(self, x_in: Tensor) -> torch.Size:
        return x_in.shape

    def slope(self, x_in: Any) -> tuple[Any, Any]:
        """x_out and h', each [*x_in]; of an array of numpy's, arrays."""
        of = np if isinstance(x_in, np.ndarray) else torch
        opens = x_in >= 0 if self.at_zero else x_in > 0
        return x_in.clip(0), opens.astype(x_in.dtype) if of is np else opens.to(x_in.dtype)

    def lay_out(self, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor, rate: Rate) -> Way:
        h_prime = torch.empty_like(x)
        if x.numel() <= TINY // 9 and seen_by_numpy(x):  # beyond, numpy's heaviside is the slower one
            x_, y_, h_, g_, h_prime_ = (t.numpy() for t in (x, x_out, g_in, g_out, h_prime))
            zero_, at_zero_ = np.zeros((), x_.dtype), np.full((), self.at_zero, x_.dtype)
            return Way(
                [call(np.maximum, x_, zero_, out=y_)],
                [call(np.heaviside, x_, at_zero_, h_prime_), call(np.multiply, g_, h_prime_, h_)],
            )
        opens = torch.ge if self.at_zero else torch.gt  # heaviside takes forty times as long
        return Way(
            [call(torch.clamp_min, x, 0, out=x_out)],
            [call(opens, x, 0, out=h_prime), call(torch.mul, g_out, h_prime, out=g_in)],
        )
