"""Max pooling: the largest entry of each window.

    max_pool      x_out[p] = max of x_in over window p        L: one 1 a row, at the largest entry, which gets g
    max_unpool    x_out[where[p]] = x_in[p], else 0           L^T of max_pool, if no two windows share their largest
    fractional    windows at random positions

Max pooling is linear for given positions of the largest entries, so these are all that it saves: for each window, the
number of its largest entry, in one byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer, LinearMap
from ...layer.shape import ShapeError, check_floating, was_given
from ..core.arrange import reshape
from ..core.dimensions import Sizes, in_dimensions, per_axis
from ..core.gather import pick, place
from .avg_pool import parts
from .window_index import Corners, numbers, places

_MAX = {1: native.max_pool1d, 2: native.max_pool2d, 3: native.max_pool3d}
_MAX_PARTS = {1: native.adaptive_max_pool1d, 2: native.adaptive_max_pool2d, 3: native.adaptive_max_pool3d}
_DRAWN: dict[int, Any] = {2: native.fractional_max_pool2d, 3: native.fractional_max_pool3d}


class MaxPool(Layer):
    """x_out, and the index of each entry in the flattened image."""

    letters = {"x": "..."}
    title = "max_pool"
    many = True

    @staticmethod
    def forward(x, axes, largest, corners):
        return largest(x)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, axes, _, corners = inputs
        return numbers(x_out[1], x.shape[-axes:], corners), x.shape, axes, corners

    @staticmethod
    def backward(needs, g, number, shape, axes, corners):
        image = shape[-axes:]
        index = _flat(places(number, image, corners), axes)
        return reshape(place(_flat(g[0], axes), index, -1, (*shape[:-axes], image.numel())), shape), None, None, None

    @staticmethod
    def jvp(tangents, x, axes, largest, corners):
        index = largest(x.detach())[1]
        return reshape(pick(_flat(tangents[0], axes), _flat(index, axes)), index.shape), None


def _flat(x: Tensor, axes: int) -> Tensor:
    return reshape(x, (*x.shape[:-axes], x.shape[-axes:].numel()))


class Unpool(LinearMap):
    """If two entries have one index, the later is written; as in PyTorch, both get its gradient."""

    title = "max_unpool"

    @staticmethod
    def forward(x, index, shape):
        return x.new_zeros(()).expand(shape).scatter(-1, index, x)

    @staticmethod
    def transpose(g, x_shape, index, shape):
        return pick(g, index)


# torch's functions.


def _max(axes, input, largest: Any, corners: Corners | None, return_indices):
    x_out, index = MaxPool.of(input, axes, largest, corners)
    return (x_out, index) if return_indices else x_out


class Largest(NamedTuple):
    """The largest entry of each window, and its index. Sizes have one number an axis."""

    axes: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _MAX[self.axes](x, *self[1:], return_indices=True)

    def corners(self, image: Sequence[int], outputs: Sequence[int]) -> tuple[list[list[int]], list[range]]:
        begins = [[p * s - b for p in range(n)] for n, s, b in zip(outputs, self.stride, self.padding, strict=True)]
        return begins, [range(0, k * d, d) for k, d in zip(self.size, self.dilation, strict=True)]


def _max_pool(
    input: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1,
    ceil_mode: bool = False, return_indices: bool = False, *, axes: int = 2,
) -> Any:  # fmt: skip
    """input [..., C, *]: the largest of each window, and its index. As `torch.nn.functional.max_pool{axes}d`."""
    size = per_axis(kernel_size, axes)
    stride = size if stride is None or stride == () else per_axis(stride, axes)
    largest = Largest(axes, size, stride, per_axis(padding, axes), per_axis(dilation, axes), ceil_mode)
    return _max(axes, input, largest, largest.corners, return_indices)


def _adaptive_max_pool(input: Tensor, output_size: Any, return_indices: bool = False, *, axes: int = 2) -> Any:
    """input [..., C, *]: the largest of each part. As `torch.nn.functional.adaptive_max_pool{axes}d`."""
    sizes = parts(axes, "adaptive_max_pool", input, output_size)

    def corners(image, outputs):
        sizes = list(zip(image, outputs, strict=True))
        return [[p * n // m for p in range(m)] for n, m in sizes], [range(-(-n // m) + 1) for n, m in sizes]

    return _max(axes, input, lambda x: _MAX_PARTS[axes](x, sizes, return_indices=True), corners, return_indices)


def _max_unpool(
    input: Tensor, indices: Tensor, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0,
    output_size: Any = None, *, axes: int = 2,
) -> Tensor:  # fmt: skip
    """input [..., C, *], each entry at its index, and 0 elsewhere. As `torch.nn.functional.max_unpool{axes}d`."""
    check_floating(f"max_unpool{axes}d", input=input)
    size = per_axis(kernel_size, axes)
    stride = size if stride is None or stride == () else per_axis(stride, axes)
    if input.shape != indices.shape or input.ndim not in (axes + 1, axes + 2):
        given = was_given(input=input, indices=indices)
        raise ShapeError(f"max_unpool{axes}d: input and indices have one shape, with {axes} last axes; {given}")
    shape = native._unpool_output_size(input, list(size), list(stride), list(per_axis(padding, axes)), output_size)  # type: ignore[attr-defined]
    flat = torch.Size((*input.shape[:-axes], torch.Size(shape).numel()))
    return reshape(Unpool.of(_flat(input, axes), _flat(indices, axes), flat), (*input.shape[:-axes], *shape))


def _fractional_max_pool(
    input: Tensor, kernel_size: Sizes, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None, *, axes: int = 2,
) -> Any:  # fmt: skip
    """input [..., C, *]: the largest of each random window. As `torch.nn.functional.fractional_max_pool{axes}d`.

    With the same seed, the windows are the same as torch's.
    """
    name, samples = f"fractional_max_pool{axes}d", _random_samples
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name}: it takes output_size or output_ratio; it was given neither.")
    if input.ndim not in (axes + 1, axes + 2):
        given = was_given(input=input)
        raise ShapeError(f"{name}: it pools the last {axes} axes of a batch, or of one datapoint; {given}")
    if output_size is None:
        ratio = (output_ratio,) * axes if isinstance(output_ratio, (int, float)) else output_ratio
        if len(ratio) != axes:
            raise ValueError(f"{name}: output_ratio is one number or {axes}; it was given {output_ratio}.")
        output_size = [int(n * r) for n, r in zip(input.shape[-axes:], ratio, strict=True)]
    if samples is None:
        B = 1 if input.ndim == axes + 1 else input.shape[0]
        samples = torch.rand(B, input.shape[-axes - 1], axes, dtype=input.dtype, device=input.device)

    def largest(x):
        return _DRAWN[axes](x, kernel_size, output_size, return_indices=True, _random_samples=samples)

    return _max(axes, input, largest, None, return_indices)


max_pool1d, max_pool2d, max_pool3d = in_dimensions(_max_pool)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = in_dimensions(_adaptive_max_pool)
max_unpool1d, max_unpool2d, max_unpool3d = in_dimensions(_max_unpool)
fractional_max_pool2d, fractional_max_pool3d = in_dimensions(_fractional_max_pool, 2, 3)
