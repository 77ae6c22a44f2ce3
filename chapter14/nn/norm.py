"""Normalisation."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .. import functional as F


class LayerNorm(nn.LayerNorm):
    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


def _batch_norm(self: Any, input: Tensor) -> Tensor:
    """By the batch where it trains or has nothing else; by the running statistics otherwise."""
    self._check_input_dim(input)
    learns = self.training and self.track_running_stats
    counts = learns and self.num_batches_tracked is not None
    momentum = self.momentum
    if counts and momentum is None:  # a running mean over all batches so far
        momentum = 1.0 / float(self.num_batches_tracked + 1)
    by_batch = self.training or (self.running_mean is None and self.running_var is None)
    mean, var = (None, None) if by_batch and not learns else (self.running_mean, self.running_var)
    x_out = F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum or 0.0, self.eps)
    if counts:  # only now, so that a batch that is refused does not count
        self.num_batches_tracked.add_(1)
    return x_out


class BatchNorm1d(nn.BatchNorm1d):
    forward = _batch_norm


class BatchNorm2d(nn.BatchNorm2d):
    forward = _batch_norm


class BatchNorm3d(nn.BatchNorm3d):
    forward = _batch_norm
