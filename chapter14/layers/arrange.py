"""Layers that only move entries. L is a permutation matrix, and its transpose moves them back."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..layer import LinearMap


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
