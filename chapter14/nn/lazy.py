"""Modules that learn their input's size when they are first called, and become the others then."""

from __future__ import annotations

from torch import nn

from . import convolution, linear


class LazyLinear(nn.LazyLinear):
    cls_to_become = linear.Linear  # type: ignore[assignment]
    forward = linear.Linear.forward  # the first call is bound before the class changes


class LazyConv1d(nn.LazyConv1d):
    cls_to_become = convolution.Conv1d  # type: ignore[assignment]
    _conv_forward = convolution.Conv1d._conv_forward


class LazyConv2d(nn.LazyConv2d):
    cls_to_become = convolution.Conv2d  # type: ignore[assignment]
    _conv_forward = convolution.Conv2d._conv_forward


class LazyConv3d(nn.LazyConv3d):
    cls_to_become = convolution.Conv3d  # type: ignore[assignment]
    _conv_forward = convolution.Conv3d._conv_forward


class LazyConvTranspose1d(nn.LazyConvTranspose1d):
    cls_to_become = convolution.ConvTranspose1d  # type: ignore[assignment]
    forward = convolution.ConvTranspose1d.forward


class LazyConvTranspose2d(nn.LazyConvTranspose2d):
    cls_to_become = convolution.ConvTranspose2d  # type: ignore[assignment]
    forward = convolution.ConvTranspose2d.forward


class LazyConvTranspose3d(nn.LazyConvTranspose3d):
    cls_to_become = convolution.ConvTranspose3d  # type: ignore[assignment]
    forward = convolution.ConvTranspose3d.forward
