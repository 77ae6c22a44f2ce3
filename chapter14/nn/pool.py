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


def _fractional(pool: Callable[..., Any]) -> Callable[..., Any]:
    def forward(self: Any, input: Tensor) -> Any:
        size = (self.kernel_size, self.output_size, self.output_ratio)
        return pool(input, *size, self.return_indices, self._random_samples)

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


class LPPool1d(nn.LPPool1d):
    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(nn.LPPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(nn.LPPool3d):
    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class MaxUnpool1d(nn.MaxUnpool1d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(nn.MaxUnpool2d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(nn.MaxUnpool3d):
    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class FractionalMaxPool2d(nn.FractionalMaxPool2d):
    forward = _fractional(F.fractional_max_pool2d)


class FractionalMaxPool3d(nn.FractionalMaxPool3d):
    forward = _fractional(F.fractional_max_pool3d)
