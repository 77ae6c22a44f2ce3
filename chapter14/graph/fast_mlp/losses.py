"""Losses of a chain, where its backward pass begins, in preallocated memory.

    ‖ŷ - y‖² / n                    g_in = 2 (ŷ - y) / n            (14.34), (14.35)
    sum w[y] (-log s[y]) / n        g_in = w[y] (s - e_y) / n       s = softmax(ŷ), e_y one-hot

n is the number of datapoints, or of entries, or for cross entropy the sum of the w[y]; it is 1 for a sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.shape import ShapeError, in_words, was_given
from ..block import Block
from .preallocated import TINY, PreallocatedLayer, seen_by_numpy


class BlockLoss:
    """Any loss, as a block; its g_out is 1 (14.35)."""

    def __init__(self, loss: Callable[[Tensor, Any], Tensor]):
        self.block = Block(loss)
        self.free = self.block.free

    def forward(self, x_L: Tensor, y: Any) -> Tensor:
        self.J = self.block.forward(x_L, y)
        if self.J.shape != ():
            raise ShapeError(f"Chain: the loss is one number, J []; {self.block.name} gave {in_words(self.J)}.")
        return self.J

    def backward(self) -> Tensor | None:
        """g_in [*x_L]."""
        return self.block.backward(torch.ones_like(self.J))[0]


class PreallocatedLoss:
    """A loss whose g_in is in the memory of the last layer's g_out, if that layer is preallocated."""

    before: PreallocatedLayer | None = None

    def _memory_of_g_in(self, y_hat: Tensor) -> Tensor:
        return self.before.g_out if self.before and y_hat is self.before.x_out else y_hat.new_empty(y_hat.shape)


class SquaredErrorLoss(PreallocatedLoss):
    """J = ‖ŷ - y‖² / n: n is the number of "datapoints", as in `l2_loss`, or of "entries", as in `mse_loss`; or 1."""

    def __init__(self, name: str, counts: str | None):
        self.name, self.counts = name, counts
        self.free()

    def free(self) -> None:
        """Drops the memory."""
        self._error = self._vector = self.g_in = self._shape = self._dtype = None  # type: Any

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        shape = y_hat.shape
        if shape != self._shape or y_hat.dtype is not self._dtype:
            datapoints = len(y_hat) if y_hat.ndim > 1 else 1
            n = {"datapoints": datapoints, "entries": y_hat.numel()}.get(self.counts or "", 1)
            self.g_in = self._memory_of_g_in(y_hat)
            self._error = y_hat.new_empty(shape, dtype=torch.promote_types(y_hat.dtype, torch.float32))
            self._vector = self._error.view(-1)
            self._is_sum, self._one_nth = n == 1, self._error.new_full((), 1 / n if n else math.nan)  # 0/0 is NaN
            self._slope = 2 * self._one_nth
            self._shape, self._dtype = shape, y_hat.dtype
        if y.shape != shape:
            raise ShapeError(f"{self.name}: y_hat and y have one shape; {was_given(y_hat=y_hat, y=y)}")
        torch.sub(y_hat, y, out=self._error)
        J = torch.dot(self._vector, self._vector)
        J = J if self._is_sum else J.mul_(self._one_nth)
        return J if J.dtype is self._dtype else J.to(self._dtype)

    def backward(self) -> Tensor:
        """g_in [*y_hat], with g_out = 1 (14.35)."""
        return torch.mul(self._error, self._slope, out=self.g_in)


class CrossEntropyOfClasses(PreallocatedLoss):
    """For classes y [B] or [] and scores ŷ [B, C] or [C]; weight [C]. Any other y is left to `otherwise`."""

    def __init__(self, otherwise: BlockLoss, weight: Tensor | None, ignore_index: int, reduction: str):
        self.otherwise, self.weight, self.ignored, self.reduction = otherwise, weight, ignore_index, reduction
        self.free()

    def free(self) -> None:
        """Drops the memory, and what the backward pass needs."""
        self._log_s = self.g_in = self._log_s_ = self._g_in_ = self._rows_ = self._y = self._made_for = None  # type: Any
        self.otherwise.free()

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        classes = y.dtype == torch.int64 and y.ndim <= 1 and y_hat.ndim and y_hat.shape[:-1] == y.shape
        if not classes or y_hat.dtype.itemsize < 4:  # in low precision s - e_y is to be rounded once
            self._y = None
            return self.otherwise.forward(y_hat, y)
        if (y_hat.shape, y_hat.dtype, y_hat.device) != self._made_for:
            self._log_s, self.g_in = y_hat.new_empty(y_hat.shape), self._memory_of_g_in(y_hat)
            self._tiny = self.weight is None and 0 < y_hat.numel() <= TINY and seen_by_numpy(self._log_s)
            if self._tiny:
                self._log_s_, self._g_in_ = (t.view(-1, y_hat.shape[-1]).numpy() for t in (self._log_s, self.g_in))
                self._rows_ = np.arange(len(self._log_s_))
            self._made_for = y_hat.shape, y_hat.dtype, y_hat.device
        self._y = y.clone()  # the caller may write to y before the backward pass
        torch.log_softmax(y_hat, -1, out=self._log_s)
        return native.nll_loss(self._log_s, y, self.weight, ignore_index=self.ignored, reduction=self.reduction)

    def backward(self) -> Tensor | None:
        """g_in [*y_hat], with g_out = 1."""
        if self._y is None:
            return self.otherwise.backward()
        y = self._y
        if self._tiny and not ((y_ := y.numpy().reshape(-1)) == self.ignored).any():  # all w[y] are 1: fewer calls
            s_ = np.exp(self._log_s_, out=self._g_in_)
            s_[self._rows_, y_] -= 1
            if self.reduction == "mean":
                s_ /= len(s_)
            return self.g_in
        s = torch.exp(self._log_s, out=self.g_in)
        counts = y != self.ignored
        at = y * counts  # class 0 for an ignored y, with w = 0
        w = counts.to(self.g_in.dtype) if self.weight is None else self.weight[at] * counts
        if self.reduction == "mean":
            w = torch.where(counts, w / w.sum(), 0)  # where all are ignored, w.sum() is 0
        w = w.unsqueeze(-1)
        return s.mul_(w).scatter_add_(-1, at.unsqueeze(-1), -w)
