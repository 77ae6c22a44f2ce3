"""Gather and scatter along an axis, each row by its own index.

pick        x_out[..., k] = x_in[..., index[..., k]]           L: one 1 a row
place       x_out[..., index[..., k]] += x_in[..., k]          L^T of pick
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..layer import LinearMap


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
        return x.new_zeros(shape).scatter_add(dim, index, x)

    @staticmethod
    def transpose(g, x_shape, index, dim, shape):
        return pick(g, index, dim)


def pick(x: Tensor, index: Tensor, dim: int = -1) -> Tensor:
    """x's entries at `index` along one axis, as `torch.gather`."""
    return Pick.of(x, index, dim)


def place(x: Tensor, index: Tensor, dim: int, shape: torch.Size) -> Tensor:
    """x's entries added up at `index` along one axis of zeros, as `torch.scatter_add`: `pick`, transposed."""
    return Place.of(x, index, dim, shape)
