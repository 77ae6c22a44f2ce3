"""Batch norm."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .. import functional as F
from .fallback import or_natively


@or_natively(nn.BatchNorm2d.forward)
def _batch_norm(self: Any, input: Tensor) -> Tensor:
    """By the statistics of the batch in training, or where there are no running ones; else by the running ones."""
    self._check_input_dim(input)
    learns = self.training and self.track_running_stats
    counts = learns and self.num_batches_tracked is not None
    momentum = self.momentum
    if counts and momentum is None:  # a running mean over all batches so far
        momentum = 1.0 / float(self.num_batches_tracked + 1)
    by_batch = self.training or (self.running_mean is None and self.running_var is None)
    mean, var = (None, None) if by_batch and not learns else (self.running_mean, self.running_var)
    x_out = F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum or 0.0, self.eps)
    if counts:  # only now: a batch that raises an error does not count
        self.num_batches_tracked.add_(1)
    return x_out


class BatchNorm1d(nn.BatchNorm1d):
    forward = _batch_norm


class BatchNorm2d(nn.BatchNorm2d):
    forward = _batch_norm


class BatchNorm3d(nn.BatchNorm3d):
    forward = _batch_norm


class LazyBatchNorm1d(nn.LazyBatchNorm1d):
    cls_to_become = BatchNorm1d
    forward = _batch_norm


class LazyBatchNorm2d(nn.LazyBatchNorm2d):
    cls_to_become = BatchNorm2d
    forward = _batch_norm


class LazyBatchNorm3d(nn.LazyBatchNorm3d):
    cls_to_become = BatchNorm3d
    forward = _batch_norm
