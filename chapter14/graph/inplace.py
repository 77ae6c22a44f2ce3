"""The layers of a small MLP with all memory used again: what is fast where one product takes a few microseconds.

Each product is written into the buffer that the last pass left, and in `descend` the update is part of the product:

    W <- W - η g_out^T x_in           one pass over W; dJ/dW is nowhere written out

So x_out and g_in hold until the next forward. A single datapoint, [N] or [1, N], is a vector and not a matrix of one
row, which is faster. θ shares its memory with the parameters that were given.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..shape import ShapeError, check_shapes, in_words


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
        for buffer in ("_x", "_y", "_h", "_g", "_g_T", "_ones", "x_out", "g_in"):
            vars(self).pop(buffer, None)
        self._x_in: Tensor | None = None
        self._g_out: Tensor | None = None
        self._made_for: tuple | None = None

    def forward(self, x_in: Tensor) -> Tensor:
        if x_in is not self._x_in:
            self._take(x_in)
        if self._one:
            torch.addmv(self._b, self.W, self._x, out=self._y)
        else:
            torch.addmm(self._b, self._x, self._W_T, out=self._y)
        return self.x_out

    def backward(self, g_out: Tensor) -> tuple[Tensor | None, ...]:
        """g_out [..., M] → g_in, dJ/dW and, where there is one, dJ/db."""
        g_in = self._back(g_out)
        if self._one:
            dJdW, dJdb = torch.outer(self._g, self._x), self._g.clone()  # (14.29), (14.20)
        else:
            dJdW, dJdb = self._g_T @ self._x, self._g.sum(0)
        return (g_in, dJdW) if self.b is None else (g_in, dJdW, dJdb)

    def update(self, *dJdtheta: Tensor, lr: float) -> None:
        """θ ← θ - η dJ/dθ, (14.9)."""
        for theta, gradient in zip(self.theta, dJdtheta, strict=True):
            theta.sub_(gradient, alpha=lr)

    def descend(self, g_out: Tensor, lr: float, wants_g_in: bool = True) -> Tensor | None:
        """`backward` and `update` in one: g_in, by the W before the update, or None where nobody wants it."""
        g_in = self._back(g_out, wants_g_in)
        if self._one:
            self.W.addr_(self._g, self._x, alpha=-lr)
        else:
            self.W.addmm_(self._g_T, self._x, alpha=-lr)
        if self.b is not None and self._one:
            self.b.add_(self._g, alpha=-lr)
        elif self.b is not None:
            self.b.addmv_(self._g_T, self._ones, alpha=-lr)
        return g_in

    def _back(self, g_out: Tensor, wants_g_in: bool = True) -> Tensor | None:
        if g_out is not self._g_out:
            self._g = g_out.reshape(self._y.shape)
            self._g_T = self._g if self._one else self._g.t()
            self._g_out = g_out if self._g.data_ptr() == g_out.data_ptr() else None
        if not wants_g_in:
            return None
        if self._one:
            torch.mv(self._W_T, self._g, out=self._h)  # (14.36)
        else:
            torch.mm(self._g, self.W, out=self._h)  # (14.18)
        return self.g_in

    def _take(self, x_in: Tensor) -> None:
        """Another x_in than the last: where it has another shape too, other buffers."""
        if (x_in.shape, x_in.dtype, x_in.device) != self._made_for:
            check_shapes("linear", x=(x_in, "... N"), W=(self.W, "M N"), b=(self.b, "M"))
            (M, N), B = self.W.shape, x_in.shape[:-1].numel()
            self._one = B == 1
            self._rows = (N,) if self._one else (B, N)
            self.x_out, self.g_in = x_in.new_empty(*x_in.shape[:-1], M), x_in.new_empty(x_in.shape)
            self._y, self._h = self.x_out.view(self._rows[:-1] + (M,)), self.g_in.view(self._rows)
            self._ones = x_in.new_ones(B)
            self._made_for = x_in.shape, x_in.dtype, x_in.device
        self._x = x_in.reshape(-1) if self._one else x_in.reshape(self._rows)
        self._x_in = x_in if self._x.data_ptr() == x_in.data_ptr() else None  # a copy would not follow what is written


class Relu:
    """x_out = max(x_in, 0), entry by entry; h'(0) is `at_zero` (14.32)."""

    theta: tuple = ()

    def __init__(self, at_zero: float = 1):
        self.at_zero = at_zero
        self.free()

    def __repr__(self) -> str:
        return "Relu()"

    def free(self) -> None:
        """Drop what is kept for the way back, and the buffers."""
        for buffer in ("x_out", "h_prime", "g_in"):
            vars(self).pop(buffer, None)
        self.x_in: Tensor | None = None
        self._made_for: tuple | None = None

    def forward(self, x_in: Tensor) -> Tensor:
        if x_in is not self.x_in:
            if (x_in.shape, x_in.dtype, x_in.device) != self._made_for:
                self.x_out, self.h_prime, self.g_in = (torch.empty_like(x_in) for _ in range(3))
                self._zero, self._at_zero = x_in.new_zeros(()), x_in.new_full((), self.at_zero)
                self._made_for = x_in.shape, x_in.dtype, x_in.device
            self.x_in = x_in
        return torch.maximum(x_in, self._zero, out=self.x_out)

    def backward(self, g_out: Tensor) -> tuple[Tensor]:
        """g_out → g_in, as the only entry."""
        assert self.x_in is not None
        torch.heaviside(self.x_in, self._at_zero, out=self.h_prime)
        return (torch.mul(g_out, self.h_prime, out=self.g_in),)  # (14.33)

    def update(self, lr: float) -> None:
        """There is no θ."""

    def descend(self, g_out: Tensor, lr: float, wants_g_in: bool = True) -> Tensor | None:
        return self.backward(g_out)[0] if wants_g_in else None


class L2Loss:
    """J = ‖ŷ - y‖² of a datapoint, and its mean over a batch (14.34)."""

    def __init__(self) -> None:
        self.free()

    def free(self) -> None:
        """Drop what is kept for the way back, and the buffers."""
        for buffer in ("_error", "_vector", "g_in"):
            vars(self).pop(buffer, None)
        self._made_for: tuple | None = None

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        if (y_hat.shape, y_hat.dtype, y_hat.device) != self._made_for:
            B = len(y_hat) if y_hat.ndim > 1 else 1
            self._error, self.g_in = torch.empty_like(y_hat), torch.empty_like(y_hat)
            self._vector = self._error.view(-1)
            self._one, self._share = B == 1, y_hat.new_full((), 1 / B if B else math.nan)  # the mean of nothing is NaN
            self._slope = 2 * self._share
            self._made_for = y_hat.shape, y_hat.dtype, y_hat.device
        if y.shape != y_hat.shape:
            given = f"y_hat {in_words(y_hat)}, y {in_words(y)}"
            raise ShapeError(f"l2_loss: y_hat and y have one shape. It was given {given}.")
        torch.sub(y_hat, y, out=self._error)
        J = torch.dot(self._vector, self._vector)
        return J if self._one else J.mul_(self._share)

    def backward(self) -> Tensor:
        """g_in [*y_hat], with g_out = 1 (14.35)."""
        return torch.mul(self._error, self._slope, out=self.g_in)
