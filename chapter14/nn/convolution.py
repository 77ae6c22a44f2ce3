"""Convolutions, and their transposes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .. import functional as F


def _conv(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def _conv_forward(self: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode), 0
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    return _conv_forward


class Conv1d(nn.Conv1d):
    _conv_forward = _conv(F.conv1d)


class Conv2d(nn.Conv2d):
    _conv_forward = _conv(F.conv2d)


class Conv3d(nn.Conv3d):
    _conv_forward = _conv(F.conv3d)


def _conv_transpose(axes: int, convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def forward(self: Any, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        slide = (self.stride, self.padding, self.kernel_size)
        rest = self._output_padding(input, output_size, *slide, axes, self.dilation)
        return convolve(input, self.weight, self.bias, self.stride, self.padding, rest, self.groups, self.dilation)

    return forward


class ConvTranspose1d(nn.ConvTranspose1d):
    forward = _conv_transpose(1, F.conv_transpose1d)


class ConvTranspose2d(nn.ConvTranspose2d):
    forward = _conv_transpose(2, F.conv_transpose2d)


class ConvTranspose3d(nn.ConvTranspose3d):
    forward = _conv_transpose(3, F.conv_transpose3d)
