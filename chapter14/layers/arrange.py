"""Layers that only move entries: every entry of x_out is one of x_in's, or a constant.

    x_out[i] = x_in[index[i]],  L[i, j] = 1 where j = index[i], else 0

L^T moves the entries back, and adds up those that were read more than once: reshape <-> reshape, permute <-> permute,
flip <-> flip, roll <-> roll, narrow <-> pad, take <-> put.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as native

from ..layer import LinearMap
from ..shape import ShapeError, in_words


class Reshape(LinearMap):
    @staticmethod
    def forward(x, shape):
        return x.reshape(shape)

    @staticmethod
    def transpose(g, shape, _):
        return reshape(g, shape)


class Permute(LinearMap):
    @staticmethod
    def forward(x, dims):
        return x.permute(dims)

    @staticmethod
    def transpose(g, shape, dims):
        back = [0] * len(dims)
        for i, dim in enumerate(dims):
            back[dim] = i
        return permute(g, back)


class Flip(LinearMap):
    @staticmethod
    def forward(x, dims):
        return x.flip(dims)

    @staticmethod
    def transpose(g, shape, dims):
        return flip(g, dims)


class Roll(LinearMap):
    @staticmethod
    def forward(x, shifts, dims):
        return x.roll(shifts, dims)

    @staticmethod
    def transpose(g, shape, shifts, dims):
        return roll(g, [-s for s in shifts], dims)


class Narrow(LinearMap):
    @staticmethod
    def forward(x, dim, start, length):
        return x.narrow(dim, start, length)

    @staticmethod
    def transpose(g, shape, dim, start, length):
        behind = [0, 0] * (len(shape) - 1 - dim)  # `pad` counts the axes from the last
        return pad(g, [*behind, start, shape[dim] - start - length])


class Pad(LinearMap):
    """Affine where the value is not 0, so forward mode drops the value."""

    @staticmethod
    def forward(x, widths, value):
        return native.pad(x, widths, value=value)

    @staticmethod
    def transpose(g, shape, widths, value):
        return pad(g, [-w for w in widths])

    @staticmethod
    def jvp(tangents, x, widths, value):
        return pad(tangents[0], widths)


class Take(LinearMap):
    @staticmethod
    def forward(x, index, dim):
        return x.index_select(dim, index)

    @staticmethod
    def transpose(g, shape, index, dim):
        return put(g, index, dim, shape[dim])


class Put(LinearMap):
    @staticmethod
    def forward(x, index, dim, size):
        empty = x.new_zeros(*x.shape[:dim], size, *x.shape[dim + 1 :])
        return empty.index_add(dim, index, x)

    @staticmethod
    def transpose(g, shape, index, dim, size):
        return take(g, index, dim)


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x in another shape with as many entries, as `torch.reshape`."""
    return Reshape.of(x, tuple(shape))


def permute(x: Tensor, dims: Sequence[int]) -> Tensor:
    """x with its axes in another order, as `torch.permute`."""
    return Permute.of(x, tuple(d % x.ndim for d in dims))


def transpose(x: Tensor, a: int = -2, b: int = -1) -> Tensor:
    """x with two axes exchanged, as `torch.transpose`; the last two by default."""
    dims = list(range(x.ndim))
    dims[a], dims[b] = dims[b], dims[a]
    return Permute.of(x, tuple(dims))


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Axes start_dim to end_dim as one, as `torch.flatten`."""
    if x.ndim == 0:
        return reshape(x, (1,))
    start, end = start_dim % x.ndim, end_dim % x.ndim
    return reshape(x, (*x.shape[:start], x.shape[start : end + 1].numel(), *x.shape[end + 1 :]))


def flip(x: Tensor, dims: Sequence[int]) -> Tensor:
    """x with the entries of these axes in reverse order, as `torch.flip`."""
    return Flip.of(x, tuple(dims))


def roll(x: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int]) -> Tensor:
    """x moved along these axes, what falls off at one end coming in at the other, as `torch.roll`."""
    shifts, dims = ((v,) if isinstance(v, int) else tuple(v) for v in (shifts, dims))
    return Roll.of(x, shifts, dims)


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """x[start : start + length] along one axis, as `torch.narrow`."""
    return Narrow.of(x, dim % x.ndim, start, length)


def take(x: Tensor, index: Tensor, dim: int = 0) -> Tensor:
    """The entries at index [n] along one axis, as `torch.index_select`."""
    return Take.of(x, index, dim % x.ndim)


def put(x: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
    """x's entries added up at index [n], along an axis of that size; zero elsewhere. The transpose of `take`."""
    return Put.of(x, index, dim % x.ndim, size)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """A border, as `torch.nn.functional.pad`: widths (before, after) from the last axis on; negative ones crop.

    `mode` is "constant" (`value`, or 0), "reflect", "replicate" or "circular".
    """
    if mode == "constant":
        return Pad.of(input, tuple(pad), value or 0)
    if mode not in _WIDEST:
        raise NotImplementedError(
            f"pad: mode is 'constant', 'reflect', 'replicate' or 'circular'; it was given {mode!r}."
        )
    if len(pad) % 2 or len(pad) // 2 not in (input.ndim - 1, input.ndim - 2) or value:
        raise NotImplementedError(
            f"pad: mode={mode!r} pads all axes but batch and channels, without a value; it was given input "
            f"{in_words(input)}, pad={tuple(pad)}, value={value}."
        )
    x = input
    for i, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        dim, n = x.ndim - 1 - i, x.shape[-1 - i]
        if max(before, after) > _WIDEST[mode](n):
            raise ShapeError(
                f"pad: mode={mode!r} pads an axis of {n} by {_WIDEST[mode](n)} at most; it was given {tuple(pad)}."
            )
        x = take(x, _mirrored(mode, torch.arange(-before, n + after, device=x.device), n), dim)
    return x


_WIDEST = {"reflect": lambda n: n - 1, "circular": lambda n: n, "replicate": lambda n: math.inf}


def _mirrored(mode: str, at: Tensor, n: int) -> Tensor:
    """Positions beyond the ends of an axis of n, brought back onto it."""
    if mode == "replicate":
        return at.clamp(0, n - 1)
    return at % n if mode == "circular" else (n - 1) - ((n - 1) - at.abs()).abs()


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """input [..., C r², H, W] → [..., C, H r, W r], as `torch.nn.functional.pixel_shuffle`."""
    *batch, C, H, W = input.shape
    r, b = upscale_factor, len(batch)
    x = reshape(input, (*batch, C // r**2, r, r, H, W))
    x = permute(x, (*range(b + 1), b + 3, b + 1, b + 4, b + 2))
    return reshape(x, (*batch, C // r**2, H * r, W * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """input [..., C, H r, W r] → [..., C r², H, W], as `torch.nn.functional.pixel_unshuffle`."""
    *batch, C, H, W = input.shape
    r, b = downscale_factor, len(batch)
    x = reshape(input, (*batch, C, H // r, r, W // r, r))
    x = permute(x, (*range(b + 1), b + 2, b + 4, b + 1, b + 3))
    return reshape(x, (*batch, C * r**2, H // r, W // r))
