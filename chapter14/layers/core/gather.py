"""Gather and scatter along an axis, each row by its own index.

gather        x_out[..., k] = x_in[..., index[..., k]]           L: one 1 a row
scatter_add   x_out[..., index[..., k]] += x_in[..., k]          L^T of gather
index_select  x_out[k] = x_in[index[k]]                          whole rows; L^T is index_add

Within the package, `pick`, `place` are gather and its transpose, onto zeros; `take`, `put` those of whole rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer import Layer, LinearMap
from .arithmetic import scale
from .arrange import Take, axis, pad, reshape, take


class Pick(LinearMap):
    @staticmethod
    def forward(x, index, dim):
        return x.gather(dim, index)

    @staticmethod
    def transpose(g, shape, index, dim):
        return place(g, index, dim, shape)


class Place(LinearMap):
    @staticmethod
    def forward(x, index, dim, shape):
        return x.new_zeros(()).expand(shape).scatter_add(dim, index, x)  # expanded: the zeros are written once

    @staticmethod
    def transpose(g, x_shape, index, dim, shape):
        return pick(g, index, dim)


class ScatterAdd(Layer):
    """Of src, what lies beyond `index` is not read."""

    @staticmethod
    def forward(x, src, index, dim):
        return x.scatter_add(dim, index, src)

    @staticmethod
    def remember(needs, inputs, x_out):
        _, src, index, dim = inputs
        return index if needs[1] else None, dim, src.shape

    @staticmethod
    def backward(needs, g, index, dim, shape):
        return g if needs[0] else None, widened(pick(g, index, dim), shape) if needs[1] else None, None, None

    @staticmethod
    def jvp(tangents, x, src, index, dim):
        dx, dsrc = tangents[:2]
        return dx if dsrc is None else ScatterAdd.of(torch.zeros_like(x) if dx is None else dx, dsrc, index, dim)


def widened(g: Tensor, shape: torch.Size) -> Tensor:
    """g, and zeros at its ends, to such a shape."""
    if g.shape == shape or not shape:
        return g if g.shape == shape else reshape(g, shape)
    return pad(g, [w for n, m in zip(reversed(g.shape), reversed(shape), strict=True) for w in (0, m - n)])


class IndexAdd(Layer):
    @staticmethod
    def forward(x, source, index, dim, alpha):
        return x.index_add(dim, index, source, alpha=alpha)

    @staticmethod
    def remember(needs, inputs, x_out):
        _, source, index, dim, alpha = inputs
        return index if needs[1] else None, dim, alpha, source.shape

    @staticmethod
    def backward(needs, g, index, dim, alpha, shape):
        if not needs[1]:
            return g, None, None, None, None
        dsource = reshape(scale(take(g, index.reshape(-1), dim), alpha), shape)
        return g if needs[0] else None, dsource, None, None, None

    @staticmethod
    def jvp(tangents, x, source, index, dim, alpha):
        dx, dsource = tangents[:2]
        if dsource is None:
            return dx
        return IndexAdd.of(torch.zeros_like(x) if dx is None else dx, dsource, index, dim, alpha)


def pick(x: Tensor, index: Tensor, dim: int = -1) -> Tensor:
    """x's entries at `index` along one axis, as `torch.gather`."""
    return Pick.of(x, index, dim)


def place(x: Tensor, index: Tensor, dim: int, shape: torch.Size) -> Tensor:
    """x's entries added up at `index` along one axis of zeros, as `torch.scatter_add`: `pick`, transposed."""
    return Place.of(x, index, dim, shape)


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
