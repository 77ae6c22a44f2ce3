"""Pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .. import functional as F


def _avg_pool(pool: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def forward(self: Any, input: Tensor) -> Tensor:
        divisor = [self.divisor_override] if hasattr(self, "divisor_override") else []
        window = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return pool(input, *window, *divisor)

    return forward


def _max_pool(pool: Callable[..., Any]) -> Callable[..., Any]:
    def forward(self: Any, input: Tensor) -> Any:
        window = (self.kernel_size, self.stride, self.padding, self.dilation)
        return pool(input, *window, self.ceil_mode, self.return_indices)

    return forward


class AvgPool1d(nn.AvgPool1d):
    forward = _avg_pool(F.avg_pool1d)


class AvgPool2d(nn.AvgPool2d):
    forward = _avg_pool(F.avg_pool2d)


class AvgPool3d(nn.AvgPool3d):
    forward = _avg_pool(F.avg_pool3d)


class MaxPool1d(nn.MaxPool1d):
    forward = _max_pool(F.max_pool1d)


class MaxPool2d(nn.MaxPool2d):
    forward = _max_pool(F.max_pool2d)


class MaxPool3d(nn.MaxPool3d):
    forward = _max_pool(F.max_pool3d)


class AdaptiveAvgPool1d(nn.AdaptiveAvgPool1d):
    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(nn.AdaptiveAvgPool3d):
    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(nn.AdaptiveMaxPool1d):
    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(nn.AdaptiveMaxPool3d):
    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)
