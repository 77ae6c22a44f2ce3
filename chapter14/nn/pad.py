"""Borders: each module of `torch.nn` pads by its own mode."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


def _constant(self: nn.ConstantPad2d, input: Tensor) -> Tensor:
    return F.pad(input, self.padding, "constant", self.value)


def _reflect(self: nn.ReflectionPad2d, input: Tensor) -> Tensor:
    return F.pad(input, self.padding, "reflect")


def _replicate(self: nn.ReplicationPad2d, input: Tensor) -> Tensor:
    return F.pad(input, self.padding, "replicate")


def _circular(self: nn.CircularPad2d, input: Tensor) -> Tensor:
    self._check_input_dim(input)
    return F.pad(input, self.padding, "circular")


class ConstantPad1d(nn.ConstantPad1d):
    forward = _constant


class ConstantPad2d(nn.ConstantPad2d):
    forward = _constant


class ConstantPad3d(nn.ConstantPad3d):
    forward = _constant


class ZeroPad1d(nn.ZeroPad1d):
    forward = _constant


class ZeroPad2d(nn.ZeroPad2d):
    forward = _constant


class ZeroPad3d(nn.ZeroPad3d):
    forward = _constant


class ReflectionPad1d(nn.ReflectionPad1d):
    forward = _reflect


class ReflectionPad2d(nn.ReflectionPad2d):
    forward = _reflect


class ReflectionPad3d(nn.ReflectionPad3d):
    forward = _reflect


class ReplicationPad1d(nn.ReplicationPad1d):
    forward = _replicate


class ReplicationPad2d(nn.ReplicationPad2d):
    forward = _replicate


class ReplicationPad3d(nn.ReplicationPad3d):
    forward = _replicate


class CircularPad1d(nn.CircularPad1d):
    forward = _circular


class CircularPad2d(nn.CircularPad2d):
    forward = _circular


class CircularPad3d(nn.CircularPad3d):
    forward = _circular
