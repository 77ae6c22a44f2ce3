"""Gather and scatter: entries along an axis, each row by its own index.

gather        x_out[..., k] = x_in[..., index[..., k]]           L: one 1 a row
scatter_add   x_out[..., index[..., k]] += x_in[..., k]          L^T of gather
index_select  x_out[k] = x_in[index[k]]                          whole rows; L^T is index_add

Within the package, `pick`, `place` are gather and its transpose, onto zeros; `take`, `put` those of whole rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layer.base import LinearMap
from .arithmetic import scale
from .arrange import Take, axis, pad, reshape, take
from .linear_maps import WriteAt


class Pick(LinearMap):
    @staticmethod
    def forward(x, index, dim):
        return x.gather(dim, index)

    @staticmethod
    def transpose(g, shape, index, dim):
        return Place.of(g, shape, index, dim)


class Place(LinearMap):
    @staticmethod
    def forward(g, shape, index, dim):
        return g.new_zeros(()).expand(shape).scatter_add(dim, index, g)  # expanded: the zeros are written once

    @staticmethod
    def transpose(g, _, shape, index, dim):
        return Pick.of(g, index, dim)


class ScatterAdd(WriteAt):
    """Reads src as far as `index` goes."""

    adds = True

    @staticmethod
    def forward(x, src, index, dim):
        return x.scatter_add(dim, index, src)

    @staticmethod
    def read(g, shape, index, dim):
        return padded_to(pick(g, index, dim), shape)


def padded_to(g: Tensor, shape: torch.Size) -> Tensor:
    """g with zeros at its ends, in such a shape."""
    if g.shape == shape or not shape:
        return g if g.shape == shape else reshape(g, shape)
    return pad(g, [w for n, m in zip(reversed(g.shape), reversed(shape), strict=True) for w in (0, m - n)])


class IndexAdd(WriteAt):
    adds = True

    @staticmethod
    def forward(x, source, index, dim, alpha):
        return x.index_add(dim, index, source, alpha=alpha)

    @staticmethod
    def read(g, shape, index, dim, alpha):
        return reshape(scale(take(g, index.reshape(-1), dim), alpha), shape)


def pick(x: Tensor, index: Tensor, dim: int = -1) -> Tensor:
    """x's entries at `index` along one axis, as `torch.gather`."""
    return Pick.of(x, index, dim)


def place(x: Tensor, index: Tensor, dim: int, shape: Sequence[int]) -> Tensor:
    """x's entries, each added at its `index` along one axis of zeros. The transpose of `pick`."""
    return Place.of(x, shape, index, dim)


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """input's entries at `index` along one axis, as `torch.gather`. Its gradient is dense."""
    return Pick.of(input, index, dim)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input, and src's entries added to it at `index` along one axis, as `torch.scatter_add`."""
    return ScatterAdd.of(input, src, index, dim)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """input's rows at index [n] along one axis, as `torch.index_select`."""
    dim, index = axis(input, dim), index if index.ndim else index.reshape(1)
    return Take.of(input, index, dim) if input.ndim else reshape(Take.of(reshape(input, (1,)), index, 0), ())


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """input, and alpha times source's rows added to it at index [n] along one axis, as `torch.index_add`."""
    return IndexAdd.of(input, source, index, dim, alpha)
