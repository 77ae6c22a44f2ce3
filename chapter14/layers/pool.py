"""Pooling: a window slides over each channel, and one number stands for what it sees.

    avg_pool    x_out[p] = mean of x_in over window p    L = A, an axis at a time; A[p, i] = 1/|window| where it sees i
    max_pool    x_out[p] = max of x_in over window p     L: one 1 a row, at the largest; back, g goes there
    adaptive    the windows that cut each axis into a given number of parts

The first is linear: g_in = A^T g, axis by axis. The second is linear too, once it is known where the largest are, so
that is all that it remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as native

from ..layer import Layer, LinearMap
from .arrange import reshape
from .gather import pick, place

_AVG = {1: native.avg_pool1d, 2: native.avg_pool2d, 3: native.avg_pool3d}
_MAX = {1: native.max_pool1d, 2: native.max_pool2d, 3: native.max_pool3d}
_PARTS = {1: native.adaptive_avg_pool1d, 2: native.adaptive_avg_pool2d, 3: native.adaptive_avg_pool3d}
_MAX_PARTS = {1: native.adaptive_max_pool1d, 2: native.adaptive_max_pool2d, 3: native.adaptive_max_pool3d}


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

    def matrix(self, axis: int, n: int, outputs: int) -> Tensor:
        """A of one axis, [outputs, n]."""
        size, padding = self.size[axis], self.padding[axis]
        start = torch.arange(outputs)[:, None] * self.stride[axis] - padding
        end = (start + size).clamp(max=n + padding)  # a last window, in ceil mode, may reach beyond the border
        A = _sees(start, end, n)
        if self.divisor is not None:
            return A / (self.divisor if axis == 0 else 1)
        return A / (end - start if self.count_include_pad else A.sum(1, keepdim=True))


class Parts(NamedTuple):
    """Windows that cut each axis into so many parts; they overlap by one where the axis does not divide."""

    size: tuple[int, ...]

    def mean(self, x: Tensor) -> Tensor:
        return _PARTS[len(self.size)](x, self.size)  # type: ignore[arg-type]

    def matrix(self, axis: int, n: int, outputs: int) -> Tensor:
        part = torch.arange(outputs)[:, None]
        A = _sees(part * n // outputs, ((part + 1) * n + outputs - 1) // outputs, n)
        return A / A.sum(1, keepdim=True)


def _sees(start: Tensor, end: Tensor, n: int) -> Tensor:
    i = torch.arange(n)
    return ((start <= i) & (i < end)).double()


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
    """Each entry of g, shared out over its window."""

    @staticmethod
    def forward(g, shape, windows):
        axes = len(windows.size)
        for axis in range(axes):
            dim = g.ndim - axes + axis
            A = windows.matrix(axis, shape[dim - g.ndim], g.shape[dim]).to(g)
            g = (g.transpose(dim, -1) @ A).transpose(dim, -1)
        return g

    @staticmethod
    def transpose(G, g_shape, shape, windows):
        return AvgPool.of(G, windows)


class MaxPool(Layer):
    """x_out, and the index of each in its image laid flat."""

    letters = {"x": "..."}
    title = "max_pool"
    many = True

    @staticmethod
    def forward(x, axes, largest):
        return largest(x)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, axes, _ = inputs
        return x_out[1], x.shape, torch.Size((*x.shape[:-axes], x.shape[-axes:].numel())), axes

    @staticmethod
    def backward(needs, g, index, shape, flat, axes):
        g = place(_flat(g[0], axes), _flat(index, axes), -1, flat)
        return reshape(g, shape), None, None

    @staticmethod
    def jvp(tangents, x, axes, largest):
        index = largest(x.detach())[1]
        return reshape(pick(_flat(tangents[0], axes), _flat(index, axes)), index.shape), None


def _flat(x: Tensor, axes: int) -> Tensor:
    return reshape(x, (*x.shape[:-axes], x.shape[-axes:].numel()))


# The faces of torch.nn.functional.

Sizes = int | Sequence[int]


def _each(value: Sizes, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value) * (axes if len(value) == 1 else 1)


def _avg(axes, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor=None):
    size = _each(kernel_size, axes)
    stride = size if stride is None or stride == () else _each(stride, axes)
    windows = Windows(size, stride, _each(padding, axes), ceil_mode, count_include_pad, divisor)
    return AvgPool.of(input, windows)


def _max(axes, input, largest: Callable[[Tensor], tuple[Tensor, Tensor]], return_indices):
    x_out, index = MaxPool.of(input, axes, largest)
    return (x_out, index) if return_indices else x_out


def _max_windows(axes, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    def largest(x):
        return _MAX[axes](x, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)

    return _max(axes, input, largest, return_indices)


def _parts(axes: int, input: Tensor, output_size) -> tuple[int, ...]:
    """One number an axis; None is the axis as it is."""
    wanted = (output_size,) * axes if isinstance(output_size, int | None) else tuple(output_size)
    return tuple(n if o is None else o for n, o in zip(input.shape[-axes:], wanted, strict=True))


def _adaptive_max(axes, input, output_size, return_indices):
    parts = _parts(axes, input, output_size)
    return _max(axes, input, lambda x: _MAX_PARTS[axes](x, parts, return_indices=True), return_indices)


def avg_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """input [..., C, W]: the mean of each window. As `torch.nn.functional.avg_pool1d`."""
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """input [..., C, H, W]: the mean of each window. As `torch.nn.functional.avg_pool2d`."""
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """input [..., C, D, H, W]: the mean of each window. As `torch.nn.functional.avg_pool3d`."""
    return _avg(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def max_pool1d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """input [..., C, W]: the largest of each window, and its index. As `torch.nn.functional.max_pool1d`."""
    return _max_windows(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """input [..., C, H, W]: the largest of each window, and its index. As `torch.nn.functional.max_pool2d`."""
    return _max_windows(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """input [..., C, D, H, W]: the largest of each window, and its index. As `torch.nn.functional.max_pool3d`."""
    return _max_windows(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """input [..., C, W]: the mean of each part. As `torch.nn.functional.adaptive_avg_pool1d`."""
    return AvgPool.of(input, Parts(_parts(1, input, output_size)))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """input [..., C, H, W]: the mean of each part. As `torch.nn.functional.adaptive_avg_pool2d`."""
    return AvgPool.of(input, Parts(_parts(2, input, output_size)))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """input [..., C, D, H, W]: the mean of each part. As `torch.nn.functional.adaptive_avg_pool3d`."""
    return AvgPool.of(input, Parts(_parts(3, input, output_size)))


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """input [..., C, W]: the largest of each part. As `torch.nn.functional.adaptive_max_pool1d`."""
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """input [..., C, H, W]: the largest of each part. As `torch.nn.functional.adaptive_max_pool2d`."""
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """input [..., C, D, H, W]: the largest of each part. As `torch.nn.functional.adaptive_max_pool3d`."""
    return _adaptive_max(3, input, output_size, return_indices)
