"""Lp pooling: (sum x^p)^(1/p) of each window, the p-norm but for the absolute values. Composed of average pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..core.arithmetic import keep, power, scale
from ..core.dimensions import Sizes, in_dimensions, per_axis
from ..pointwise.pointwise import absolute
from .avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from .max_pool import max_pool1d, max_pool2d, max_pool3d

_AVG: dict[int, Callable[..., Tensor]] = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
_MAX: dict[int, Callable[..., Any]] = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}


def _lp_pool(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None,
    ceil_mode: bool = False, *, axes: int = 2,
) -> Tensor:  # fmt: skip
    """input [..., C, *]: (sum x^p)^(1/p) of each window. As `torch.nn.functional.lp_pool{axes}d`."""
    x, p = input, norm_type
    if p == 0:
        raise ValueError(f"lp_pool{axes}d: norm_type must not be 0; it was given {p}.")
    if abs(p) == math.inf:
        sign = 1 if p > 0 else -1
        return scale(_MAX[axes](scale(absolute(x), sign), kernel_size, stride, ceil_mode=ceil_mode), sign)
    mean = _AVG[axes](power(x, p), kernel_size, stride, ceil_mode=ceil_mode)
    total = scale(mean, math.prod(per_axis(kernel_size, axes)))
    return power(keep(total, total.detach() != 0), 1 / p)  # where it is 0 PyTorch's derivative is 0


lp_pool1d, lp_pool2d, lp_pool3d = in_dimensions(_lp_pool)
