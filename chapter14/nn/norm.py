"""Normalisation."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .. import functional as F

# torch's lazy modules become another class at their first input: these become ours.


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


class LazyBatchNorm1d(nn.LazyBatchNorm1d):
    cls_to_become = BatchNorm1d
    forward = _batch_norm


class LazyBatchNorm2d(nn.LazyBatchNorm2d):
    cls_to_become = BatchNorm2d
    forward = _batch_norm


class LazyBatchNorm3d(nn.LazyBatchNorm3d):
    cls_to_become = BatchNorm3d
    forward = _batch_norm


class GroupNorm(nn.GroupNorm):
    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class _InstanceNorm:
    """What torch's instance norms ask of themselves; what they check is theirs."""

    def _handle_no_batch_input(self: Any, input: Tensor) -> Tensor:
        x_out = self._apply_instance_norm(F.reshape(input, (1, *input.shape)))
        return F.reshape(x_out, input.shape)

    def _apply_instance_norm(self: Any, input: Tensor) -> Tensor:
        by_input = self.training or not self.track_running_stats
        statistics = self.running_mean, self.running_var
        return F.instance_norm(
            input, *statistics, self.weight, self.bias, by_input, self.momentum or 0.0, self.eps
        )  # fmt: skip


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    pass


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    pass


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    pass


class LazyInstanceNorm1d(_InstanceNorm, nn.LazyInstanceNorm1d):
    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_InstanceNorm, nn.LazyInstanceNorm2d):
    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_InstanceNorm, nn.LazyInstanceNorm3d):
    cls_to_become = InstanceNorm3d


class RMSNorm(nn.RMSNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)


class LocalResponseNorm(nn.LocalResponseNorm):
    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)
