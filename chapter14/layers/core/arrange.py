"""Layers that only move entries: every entry of x_out is one of x_in's, or a constant.

    x_out[i] = x_in[index[i]],  L[i, j] = 1 where j = index[i], else 0

L^T moves the entries back, and sums those that were read more than once: reshape <-> reshape, permute <-> permute,
transpose <-> transpose, flip <-> flip, roll <-> roll, narrow <-> pad, take <-> put.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import LinearMap, conj
from ...layer.shape import ShapeError, several, was_given
from .linear_maps import SymmetricMap


class Reshape(LinearMap):
    view = True

    forward: ClassVar[Any] = staticmethod(torch.reshape)

    @staticmethod
    def transpose(g: Tensor, shape: torch.Size, _: Sequence[int]) -> Tensor:
        return reshape(g, shape)


class Permute(LinearMap):
    view = True

    forward = staticmethod(torch.permute)

    @staticmethod
    def transpose(g, shape, dims):
        back = [0] * len(dims)
        for i, dim in enumerate(dims):
            back[dim] = i  # a negative dim indexes `back` from the end too
        return permute(g, back)


class Transpose(SymmetricMap):
    view = True

    forward = staticmethod(torch.transpose)


class FlipAxes(SymmetricMap):
    title = "flip"

    forward = staticmethod(torch.flip)


class Roll(LinearMap):
    forward = staticmethod(torch.roll)

    @staticmethod
    def transpose(g, shape, shifts, dims):
        return roll(g, [-s for s in shifts], dims)


class Narrow(LinearMap):
    view = True

    forward = staticmethod(torch.narrow)

    @staticmethod
    def transpose(g, shape, dim, start, length):
        behind = [0, 0] * (len(shape) - 1 - dim)  # `pad` counts the axes from the last
        return pad(g, [*behind, start, shape[dim] - start - length])


class ConstantPad(LinearMap):
    """Affine where the value is not 0: the tangent is padded with 0."""

    title = "pad"

    @staticmethod
    def forward(x, widths, value):
        return native.pad(x, widths, value=value)

    @staticmethod
    def transpose(g, shape, widths, value):
        return pad(g, [-w for w in widths])

    @staticmethod
    def jvp(tangents, x, widths, value):
        return pad(tangents[0], widths)


class Border(LinearMap):
    """A border that repeats entries of x; the gradient of each is summed over its copies."""

    forward = staticmethod(native.pad)

    @staticmethod
    def transpose(g, shape, widths, mode):
        for i, (before, after) in enumerate(zip(widths[::2], widths[1::2], strict=True)):
            dim, n = len(shape) - 1 - i, shape[-1 - i]
            g = put(g, _mirrored(mode, n, before, after, g.device), dim, n)
        return g


class Take(LinearMap):
    @staticmethod
    def forward(x, index, dim):
        return x.index_select(dim, index)

    @staticmethod
    def transpose(g, shape, index, dim):
        return Put.of(g, shape, index, dim)


class Put(LinearMap):
    @staticmethod
    def forward(g, shape, index, dim):
        return g.new_zeros(shape).index_add(dim, index, g)

    @staticmethod
    def transpose(g, _, shape, index, dim):
        return Take.of(g, index, dim)


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x in another shape of as many entries, as `torch.reshape`."""
    return Reshape.of(x, tuple(shape))


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """input with its axes in another order, as `torch.permute`."""
    return Permute.of(input, tuple(dims))


def transpose(input: Tensor, dim0: int = -2, dim1: int = -1) -> Tensor:
    """input with two axes exchanged, as `torch.transpose`; the last two by default."""
    return Transpose.of(input, dim0, dim1)


def adjoint(A: Tensor) -> Tensor:
    """A [..., M, N] → its conjugate transpose [..., N, M], as `torch.adjoint`."""
    return transpose(conj(A))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """input with its axes start_dim to end_dim as one, as `torch.flatten`."""
    if input.ndim == 0:
        axis(input, start_dim), axis(input, end_dim)
        return reshape(input, (1,))
    start, end = axis(input, start_dim), axis(input, end_dim)
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    return reshape(input, (*input.shape[:start], input.shape[start : end + 1].numel(), *input.shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """input with one axis as several of these sizes, as `torch.unflatten`; one size of -1 is computed.

    Raises:
        RuntimeError: the product of the sizes is not the size of the axis.
    """
    dim = axis(input, dim)
    if input.ndim == 0:
        raise RuntimeError("unflatten: it expects a tensor with axes; it was given one without.")
    known, n = torch.Size([k for k in sizes if k != -1]).numel(), input.shape[dim]
    if not sizes or (known != n if -1 not in sizes else n % max(known, 1)):
        raise RuntimeError(f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({n})")
    whole = [n // max(known, 1) if k == -1 else k for k in sizes]
    return reshape(input, (*input.shape[:dim], *whole, *input.shape[dim + 1 :]))


def axis(x: Tensor, dim: int) -> int:
    """`dim` as an index from 0. A tensor without axes is taken to have one, as in torch.

    Raises:
        IndexError: there is no such axis.
    """
    n, dim = max(x.ndim, 1), operator.index(dim)
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


def flip(input: Tensor, dims: Sequence[int]) -> Tensor:
    """input with these axes reversed, as `torch.flip`."""
    return FlipAxes.of(input, several(dims))


def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """input shifted along these axes, circularly, as `torch.roll`. Without `dims`, flattened while it is shifted."""
    given = () if dims is None else dims
    return Roll.of(input, *map(several, (shifts, given)))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """input[start : start + length] along one axis, as `torch.narrow`; a negative start counts from the end."""
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim = axis(input, dim)
    n = input.shape[dim]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {start})")
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return Narrow.of(input, dim, start, length)


def take(x: Tensor, index: Tensor, dim: int = 0) -> Tensor:
    """The entries at index [n] along one axis, as `torch.index_select`."""
    return Take.of(x, index, axis(x, dim))


def put(x: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    """x's entries, each added at its index [n] along an axis of that size of zeros. The transpose of `take`."""
    dim = axis(x, dim)
    return Put.of(x, (*x.shape[:dim], size, *x.shape[dim + 1 :]), index, dim)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Adds a border, as `torch.nn.functional.pad`: widths (before, after) from the last axis on; negative ones crop.

    `mode` is "constant" (`value`, or 0), "reflect", "replicate" or "circular".
    """
    if mode == "constant":
        return ConstantPad.of(input, tuple(pad), value or 0)
    if mode not in _WIDEST:
        raise NotImplementedError(f"pad: mode is 'constant', {', '.join(map(repr, _WIDEST))}; it was given {mode!r}.")
    if len(pad) % 2 or len(pad) // 2 not in (input.ndim - 1, input.ndim - 2) or value:
        given = was_given(input=input, pad=tuple(pad), value=value)
        raise NotImplementedError(f"pad: mode={mode!r} pads all axes but batch and channels, without a value; {given}")
    for i, sides in enumerate(zip(pad[::2], pad[1::2], strict=True), start=1):
        n = input.shape[-i]
        if max(sides) > _WIDEST[mode](n):
            most = _WIDEST[mode](n)
            raise ShapeError(f"pad: mode={mode!r} pads an axis of {n} by {most} at most; it was given {tuple(pad)}.")
        if mode == "circular" and max(sides) > 0 and sum(max(-w, 0) for w in sides) >= n:
            raise ShapeError(f"pad: mode='circular' has nothing to repeat of an axis of {n}; it was given {pad}.")
    return Border.of(input, tuple(pad), mode)


_WIDEST = {"reflect": lambda n: n - 1, "circular": lambda n: n, "replicate": lambda n: math.inf}


def _mirrored(mode: str, n: int, before: int, after: int, device: torch.device) -> Tensor:
    """The index, on an axis of n, of each entry of the padded axis."""
    if mode == "circular":  # cropped entries are not repeated
        start, end = max(-before, 0), n - max(-after, 0)
        return start + torch.arange(-max(before, 0), end - start + max(after, 0), device=device) % (end - start)
    at = torch.arange(-before, n + after, device=device)
    return at.clamp(0, n - 1) if mode == "replicate" else (n - 1) - ((n - 1) - at.abs()).abs()
