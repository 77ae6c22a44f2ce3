"""Images resized. Along each axis, that is the product with a sparse matrix.

    x_out = A x_in         A [M, N]: each row has the weights of a new pixel, along one axis
    g_in  = A^T g_out      an axis at a time

The forward pass is torch's kernel, for all axes at once. For the backward pass, A is what that kernel makes of the
identity; for "nearest", where a row has one 1, the index is what it makes of 0, 1, ..., N-1. A is a band matrix, and it
is multiplied in blocks along the band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...layer.base import LinearMap
from ...layer.shape import several, was_given
from ..pool.avg_pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d


class Method(NamedTuple):
    """How a new pixel is computed. Each scale is None where it is the quotient of the sizes."""

    mode: str
    align_corners: bool
    antialias: bool
    scales: tuple[float | None, ...]

    def along(self, *scales: float | None) -> Method:
        """The same method along axes with these scales."""
        return Method(self.mode, self.align_corners, self.antialias, scales)

    @property
    def nearest(self) -> bool:
        return self.mode.startswith("nearest")


class Interpolate(LinearMap):
    @staticmethod
    def forward(x, size, method):
        return _kernel(x, size, method)

    @staticmethod
    def transpose(g, shape, size, method):
        return InterpolateTranspose.of(g, shape, size, method)


class InterpolateTranspose(LinearMap):
    """A^T g, from the last axis to the first."""

    opmath = "all"

    @staticmethod
    def forward(g, shape, size, method):
        channels_last = g.stride(1) == 1 != g.shape[1]
        x_out = g.movedim(1, -1) if channels_last else g
        for k in reversed(range(len(size))):
            dim, one = k + (1 if channels_last else 2), method.along(method.scales[k])
            n, m = shape[k + 2], size[k]
            if method.nearest:
                empty = x_out.new_zeros(*x_out.shape[:dim], n, *x_out.shape[dim + 1 :])
                x_out = empty.index_add(dim, _index(n, m, one, g.device), x_out)
            else:
                x_out = _by_band(x_out, _matrix(n, m, one, g), dim)
        return x_out.movedim(-1, 1) if channels_last else x_out

    @staticmethod
    def transpose(g, _, shape, size, method):
        return Interpolate.of(g, size, method)


def _kernel(x: Tensor, size: Sequence[int], method: Method) -> Tensor:
    axes = x.ndim - 2
    name = f"upsample_{method.mode.replace('-', '_')}{axes}d" + ("_aa" if method.antialias else "")
    if method.antialias or method.mode == "nearest-exact":
        name = f"_{name}"
    how = () if method.nearest else (method.align_corners,)
    return getattr(torch.ops.aten, name).default(x, size, *how, *method.scales)


def _index(n: int, m: int, method: Method, device: torch.device) -> Tensor:
    places = torch.arange(n, dtype=torch.float64, device=device)
    return _kernel(places[None, None], (m,), method)[0, 0].long()


def _matrix(n: int, m: int, method: Method, like: Tensor) -> Tensor:
    """A^T [N, M], for one axis."""
    identity = torch.eye(n, dtype=like.dtype, device=like.device)
    if method.mode.endswith("linear") and not method.antialias:
        return _kernel(identity[None], (m,), Method("linear", method.align_corners, False, method.scales))[0]
    of_a_row = method.along(None, *method.scales)
    return _kernel(identity[None, :, None], (1, m), of_a_row)[0, :, 0]


def _by_band(g: Tensor, A: Tensor, dim: int, block: int = 64) -> Tensor:
    """A^T g along one axis, given A^T [N, M]."""
    n, m = A.shape
    x_out = g.new_zeros(*g.shape[:dim], n, *g.shape[dim + 1 :])
    reach = 2 + math.ceil(4 * max(1, n / m))  # of the widest kernel, for a scale that may differ from n / m
    for start in range(0, m, block):
        length = min(block, m - start)
        first = max(0, math.floor(start * n / m) - reach)
        last = min(n, math.ceil((start + length) * n / m) + reach)
        part = _product(A[first:last, start : start + length], g.narrow(dim, start, length), dim)
        x_out.narrow(dim, first, last - first).add_(part)
    return x_out


def _product(A: Tensor, g: Tensor, dim: int) -> Tensor:
    before, behind = g.shape[:dim], g.shape[dim + 1 :]
    if behind.numel() == 1:
        x_out = g.reshape(before.numel(), g.shape[dim]) @ A.mT
    else:
        x_out = A @ g.reshape(before.numel(), g.shape[dim], behind.numel())
    return x_out.reshape(*before, A.shape[0], *behind)


_AXES = {"linear": (1,), "bilinear": (2,), "bicubic": (2,), "lanczos": (2,), "trilinear": (3,)}


def interpolate(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest", align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """input [B, C, *] of 1 to 3 axes → [B, C, *size]. As `torch.nn.functional.interpolate`, in each of its modes."""
    axes = input.ndim - 2
    _check(input, mode, align_corners, antialias)
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: it expects size or scale_factor; it was given {size} and {scale_factor}.")
    scales: tuple[float | None, ...] = (None,) * axes
    if size is None:
        factors = _each(scale_factor, axes, input, "scale_factor")
        size = [int(n * s) for n, s in zip(input.shape[2:], factors, strict=True)]
        scales = scales if recompute_scale_factor else tuple(float(s) for s in factors)
    elif recompute_scale_factor:
        raise ValueError("interpolate: recompute_scale_factor=True goes with scale_factor; it was given a size.")
    size = _each(size, axes, input, "size")
    try:
        size = several(size)
    except TypeError as error:
        raise TypeError(f"interpolate: size must be integers; it was given {size}.") from error
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[axes - 1](input, size)
    return Interpolate.of(input, size, Method(mode, bool(align_corners), antialias, scales))


def _each(value, axes: int, input: Tensor, name: str) -> list:
    if not isinstance(value, (list, tuple)):
        return [value] * axes
    if len(value) != axes:
        given = was_given(input=input, **{name: value})
        raise ValueError(f"interpolate: {name} is one number, or one for each axis after the channels; {given}")
    return list(value)


def _check(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in _AXES and align_corners is not None:
        raise ValueError(f"interpolate: align_corners is for {', '.join(_AXES)}; it was given mode={mode!r}.")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        given = was_given(input=input, mode=mode)
        raise ValueError(f"interpolate: antialias=True is for bilinear, bicubic and lanczos, and for images; {given}")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: mode='lanczos' goes with antialias=True, and not with align_corners=True.")
    known = mode in _AXES or mode in ("nearest", "nearest-exact", "area")
    if not known or input.ndim - 2 not in _AXES.get(mode, (1, 2, 3)):
        raise NotImplementedError(
            "interpolate: nearest, nearest-exact and area take 1 to 3 axes, linear takes 1, bilinear, bicubic and "
            f"lanczos 2, trilinear 3, after batch and channels; {was_given(input=input, mode=mode)}"
        )


def upsample(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest", align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """`interpolate` by its older name, as `torch.nn.functional.upsample`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """`interpolate` with mode "nearest", as `torch.nn.functional.upsample_nearest`."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(
    input: Tensor, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners, as `torch.nn.functional.upsample_bilinear`."""
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
