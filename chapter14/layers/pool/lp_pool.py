"""Lp pooling: of each window (sum x^p)^(1/p), the p-norm but for the absolute values. By averages, and so by layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..core.arithmetic import keep, power, scale
from ..pointwise.pointwise import absolute
from .avg_pool import Sizes, avg_pool1d, avg_pool2d, avg_pool3d, each
from .max_pool import max_pool1d, max_pool2d, max_pool3d

_AVG: dict[int, Callable[..., Tensor]] = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
_MAX: dict[int, Callable[..., Any]] = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}


def _lp(axes, x, p, kernel_size, stride, ceil_mode):
    if p == 0:
        raise ValueError(f"lp_pool{axes}d: norm_type is not 0; it was given {p}.")
    if abs(p) == math.inf:
        sign = 1 if p > 0 else -1
        return scale(_MAX[axes](scale(absolute(x), sign), kernel_size, stride, ceil_mode=ceil_mode), sign)
    mean = _AVG[axes](power(x, p), kernel_size, stride, ceil_mode=ceil_mode)
    total = scale(mean, math.prod(each(kernel_size, axes)))
    return power(keep(total, total.detach() != 0), 1 / p)  # where it is 0 PyTorch's derivative is 0


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """input [..., C, W]: (sum x^p)^(1/p) of each window. As `torch.nn.functional.lp_pool1d`."""
    return _lp(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """input [..., C, H, W]: (sum x^p)^(1/p) of each window. As `torch.nn.functional.lp_pool2d`."""
    return _lp(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """input [..., C, D, H, W]: (sum x^p)^(1/p) of each window. As `torch.nn.functional.lp_pool3d`."""
    return _lp(3, input, norm_type, kernel_size, stride, ceil_mode)
