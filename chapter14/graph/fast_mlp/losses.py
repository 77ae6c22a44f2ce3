"""Where the way back of a chain begins: losses in memory that is used again.

    ‖ŷ - y‖² / n                    g_in = 2 (ŷ - y) / n            (14.34), (14.35)
    sum w[y] (-log s[y]) / n        g_in = w[y] (s - e_y) / n       s = softmax(ŷ), e_y one-hot

n is how many datapoints there are, how many entries, or, of cross entropy, the sum of the w[y]; and 1 for a sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.shape import ShapeError, in_words
from ..block import Block
from .passes import TINY, seen_by_numpy


class AnyLoss:
    """A loss as a block: the way back begins with g_out = 1 (14.35)."""

    def __init__(self, loss: Callable[[Tensor, Any], Tensor]):
        self.block = Block(loss)

    def free(self) -> None:
        """Forget what the way back needs."""
        self.block.free()

    def forward(self, x_L: Tensor, y: Any) -> Tensor:
        self.J = self.block.forward(x_L, y)
        if self.J.shape != ():
            raise ShapeError(f"Chain: the loss is one number, J []; {self.block.name} gave {in_words(self.J)}.")
        return self.J

    def backward(self) -> Tensor | None:
        """g_in [*x_L]."""
        return self.block.backward(torch.ones_like(self.J))[0]


class Squares:
    """J = ‖ŷ - y‖² / n: n counts the "datapoints", as `l2_loss` does, or the "entries", as `mse_loss`; or it is 1."""

    def __init__(self, name: str, counts: str | None):
        self.name, self.counts = name, counts
        self.free()

    def free(self) -> None:
        """Drop what is kept for the way back, and the buffers."""
        for buffer in ("_error", "_vector", "g_in"):
            vars(self).pop(buffer, None)
        self._shape: Any = None
        self._dtype: Any = None

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        shape = y_hat.shape
        if shape != self._shape or y_hat.dtype is not self._dtype:
            datapoints = len(y_hat) if y_hat.ndim > 1 else 1
            n = {"datapoints": datapoints, "entries": y_hat.numel()}.get(self.counts or "", 1)
            self.g_in = torch.empty_like(y_hat)
            self._error = torch.empty_like(y_hat, dtype=torch.promote_types(y_hat.dtype, torch.float32))
            self._vector = self._error.view(-1)
            self._one, self._share = n == 1, self._error.new_full((), 1 / n if n else math.nan)  # of nothing: NaN
            self._slope = 2 * self._share
            self._shape, self._dtype = shape, y_hat.dtype
        if y.shape != shape:
            given = f"y_hat {in_words(y_hat)}, y {in_words(y)}"
            raise ShapeError(f"{self.name}: y_hat and y have one shape. It was given {given}.")
        torch.sub(y_hat, y, out=self._error)
        J = torch.dot(self._vector, self._vector)
        return (J if self._one else J.mul_(self._share)).to(y_hat.dtype)

    def backward(self) -> Tensor:
        """g_in [*y_hat], with g_out = 1 (14.35)."""
        return torch.mul(self._error, self._slope, out=self.g_in)


class CrossEntropy:
    """Of classes y [B] or [], by scores ŷ [B, C] or [C]; weight [C]. As `cross_entropy`, which takes any other y."""

    def __init__(self, otherwise: AnyLoss, weight: Tensor | None, ignore_index: int, reduction: str):
        self.otherwise, self.weight, self.ignored, self.reduction = otherwise, weight, ignore_index, reduction
        self.free()

    def free(self) -> None:
        """Drop what is kept for the way back, and the buffers."""
        for buffer in ("_logs", "g_in", "_logs_", "_g_in_", "_rows_"):
            vars(self).pop(buffer, None)
        self._y: Tensor | None = None
        self._made_for: tuple | None = None
        self.otherwise.free()

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        plain = y.dtype == torch.int64 and y.ndim <= 1 and y_hat.ndim and y_hat.shape[:-1] == y.shape
        if not plain or y_hat.dtype.itemsize < 4:  # in low precision s - e_y is to be rounded once
            self._y = None
            return self.otherwise.forward(y_hat, y)
        if (y_hat.shape, y_hat.dtype, y_hat.device) != self._made_for:
            self._logs, self.g_in = (y_hat.new_empty(y_hat.shape) for _ in range(2))
            self._tiny = self.weight is None and 0 < y_hat.numel() <= TINY and seen_by_numpy(self._logs)
            if self._tiny:
                self._logs_, self._g_in_ = (t.view(-1, y_hat.shape[-1]).numpy() for t in (self._logs, self.g_in))
                self._rows_ = np.arange(len(self._logs_))
            self._made_for = y_hat.shape, y_hat.dtype, y_hat.device
        self._y = y.clone()  # it is y on the way back too, whatever became of the caller's
        torch.log_softmax(y_hat, -1, out=self._logs)
        return native.nll_loss(self._logs, y, self.weight, ignore_index=self.ignored, reduction=self.reduction)

    def backward(self) -> Tensor | None:
        """g_in [*y_hat], with g_out = 1."""
        if self._y is None:
            return self.otherwise.backward()
        y = self._y
        if self._tiny and not ((y_ := y.numpy().reshape(-1)) == self.ignored).any():  # all count the same, in few calls
            s_ = np.exp(self._logs_, out=self._g_in_)
            s_[self._rows_, y_] -= 1
            if self.reduction == "mean":
                s_ /= len(s_)
            return self.g_in
        s = torch.exp(self._logs, out=self.g_in)
        counts = y != self.ignored
        at = y * counts  # of an ignored one any class, which counts nothing
        w = counts.to(self.g_in.dtype) if self.weight is None else self.weight[at] * counts
        if self.reduction == "mean":
            w = torch.where(counts, w / w.sum(), 0)  # where none counts, there is no mean
        w = w.unsqueeze(-1)
        return s.mul_(w).scatter_add_(-1, at.unsqueeze(-1), -w)
