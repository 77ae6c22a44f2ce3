"""Pooling: a window slides over each channel, and its entries become one number.

    avg_pool    x_out[p] = mean of x_in over window p    L = A, an axis at a time; A[p, i] = 1/|window| if i is in p
    lp_pool     x_out[p] = (sum of x_in^p over window p)^(1/p)
    adaptive    the windows that cut each axis into a given number of parts

The mean is linear: g_in = A^T g, axis by axis.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import LinearMap
from ...layer.shape import ShapeError, was_given
from ..core.dimensions import Sizes, in_dimensions, per_axis

_AVG = {1: native.avg_pool1d, 2: native.avg_pool2d, 3: native.avg_pool3d}
_PARTS = {1: native.adaptive_avg_pool1d, 2: native.adaptive_avg_pool2d, 3: native.adaptive_avg_pool3d}


class Windows(NamedTuple):
    """Windows of one size, a stride apart: one number an axis."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    ceil_mode: bool
    count_include_pad: bool = True
    divisor: int | None = None

    def mean(self, x: Tensor) -> Tensor:
        divisor = {} if self.divisor is None else {"divisor_override": self.divisor}
        size, stride, padding, ceil_mode, count_include_pad, _ = self
        return _AVG[len(size)](x, size, stride, padding, ceil_mode, count_include_pad, **divisor)

    def distribute(self, g: Tensor, axis: int, n: int) -> Tensor:
        """A^T along one axis of n: for the first entries of all windows at once, the second, ..."""
        size, stride, padding = self.size[axis], self.stride[axis], self.padding[axis]
        dim, outputs = axis - len(self.size), g.shape[axis - len(self.size)]
        divisors = torch.tensor(self.divisors(axis, n, outputs), dtype=g.dtype, device=g.device)
        g = g / divisors.view(-1, *[1] * (-1 - dim))
        if stride == size and outputs * size == n and not padding:
            return _repeat(g, dim, size)
        last = (outputs - 1) * stride
        x = _zeros(g, dim, max(last + size, n + padding))
        for k in range(size if outputs else 0):
            x.movedim(dim, -1)[..., k : k + last + 1 : stride].add_(g.movedim(dim, -1))
        return x.narrow(dim, padding, n)

    def divisors(self, axis: int, n: int, outputs: int) -> list[int]:
        """The divisor of each window's sum, along one axis."""
        if self.divisor is not None:
            return [self.divisor if axis == 0 else 1] * outputs
        starts = [p * self.stride[axis] - self.padding[axis] for p in range(outputs)]
        ends = [min(start + self.size[axis], n + self.padding[axis]) for start in starts]  # the last may be shorter
        if not self.count_include_pad:
            starts, ends = [max(start, 0) for start in starts], [min(end, n) for end in ends]
        return [end - start for start, end in zip(starts, ends, strict=True)]


class AdaptiveWindows(NamedTuple):
    """Windows that cut each axis into so many parts, which overlap by one entry where they do not divide the axis."""

    size: tuple[int, ...]

    def mean(self, x: Tensor) -> Tensor:
        return _PARTS[len(self.size)](x, self.size)  # type: ignore[arg-type]

    def distribute(self, g: Tensor, axis: int, n: int) -> Tensor:
        """A^T along one axis of n, part by part."""
        dim, outputs = axis - len(self.size), g.shape[axis - len(self.size)]
        if outputs and n % outputs == 0:
            return _repeat(g / (n // outputs), dim, n // outputs)
        x = _zeros(g, dim, n)
        for p in range(outputs):
            start, end = p * n // outputs, -(-(p + 1) * n // outputs)
            x.narrow(dim, start, end - start).add_(g.narrow(dim, p, 1) / (end - start))
        return x


def _zeros(g: Tensor, dim: int, n: int) -> Tensor:
    return g.new_zeros(*g.shape[:dim], n, *g.shape[g.ndim + dim + 1 :])


def _repeat(g: Tensor, dim: int, n: int) -> Tensor:
    """Each entry n times, as `torch.repeat_interleave`."""
    shape = (*g.shape[:dim], g.shape[dim] * n, *g.shape[g.ndim + dim + 1 :])
    copies = g.unsqueeze(g.ndim + dim + 1)
    return copies.expand(*g.shape[: g.ndim + dim + 1], n, *g.shape[g.ndim + dim + 1 :]).reshape(shape)


class AvgPool(LinearMap):
    letters = {"x": "..."}
    title = "avg_pool"

    @staticmethod
    def forward(x, windows):
        return windows.mean(x)

    @staticmethod
    def transpose(g, shape, windows):
        return AvgPoolTranspose.of(g, shape, windows)


class AvgPoolTranspose(LinearMap):
    """Each entry of g, distributed over its window."""

    opmath = "all"

    @staticmethod
    def forward(g, shape, windows):
        for axis in reversed(range(len(windows.size))):  # the last first: then the large tensors are read in whole rows
            g = windows.distribute(g, axis, shape[axis - len(windows.size)])
        return g

    @staticmethod
    def transpose(g, _, shape, windows):
        return AvgPool.of(g, windows)


# torch's functions.


def _avg_pool(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None, *, axes: int = 2,
) -> Tensor:  # fmt: skip
    """input [..., C, *]: the mean of each window. As `torch.nn.functional.avg_pool{axes}d`."""
    size = per_axis(kernel_size, axes)
    stride = size if stride is None or stride in ((), []) else per_axis(stride, axes)
    windows = Windows(size, stride, per_axis(padding, axes), ceil_mode, count_include_pad, divisor_override)
    return AvgPool.of(input, windows)


def avg_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """input [..., C, W]: the mean of each window. As `torch.nn.functional.avg_pool1d`."""
    return _avg_pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad, axes=1)


avg_pool2d, avg_pool3d = in_dimensions(_avg_pool, 2, 3)


def parts(axes: int, pool: str, input: Tensor, output_size: Any) -> tuple[int, ...]:
    """`output_size`, one number an axis; None stands for the size of the axis."""
    wanted = (output_size,) * axes if isinstance(output_size, (int, type(None))) else tuple(output_size)
    if len(wanted) != axes or input.ndim not in (axes + 1, axes + 2):
        given = was_given(input=input, output_size=output_size)
        raise ShapeError(f"{pool}{axes}d: it pools the last {axes} axes of a batch, or of one datapoint; {given}")
    return tuple(n if o is None else o for n, o in zip(input.shape[-axes:], wanted, strict=True))


def _adaptive_avg_pool(input: Tensor, output_size: Any, *, axes: int = 2) -> Tensor:
    """input [..., C, *]: the mean of each part. As `torch.nn.functional.adaptive_avg_pool{axes}d`."""
    return AvgPool.of(input, AdaptiveWindows(parts(axes, "adaptive_avg_pool", input, output_size)))


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = in_dimensions(_adaptive_avg_pool)
