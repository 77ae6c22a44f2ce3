"""Branch (section 14.7): one value sent many ways. Going back, the ways add up.

    branch(x_in) = [x_in, x_in] = [x_out^a, x_out^b]              (14.38)
    g_in = [g_out^a, g_out^b] [1, 1]^T = g_out^a + g_out^b        (14.45), (14.46)

Broadcasting is a branch too: `spread` sends x to every place of a larger shape, `total` adds up what comes back.
So do a bias, which branches to every datapoint, and a shared parameter, (14.47).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..layer import LinearMap


class Spread(LinearMap):
    """x copied to every place of a larger shape. L is a stack of identities."""

    autocast = None

    @staticmethod
    def forward(x, shape):
        return x.expand(shape)

    @staticmethod
    def transpose(g, shape, _):
        return total(g, shape)


class Total(LinearMap):
    """The sum over the places that `spread` filled."""

    @staticmethod
    def forward(x, shape):
        return x.sum_to_size(shape)

    @staticmethod
    def transpose(g, shape, _):
        return spread(g, shape)


def spread(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x, broadcast to `shape`, as `torch.Tensor.expand`. Its transpose is `total`."""
    return x if x.shape == tuple(shape) else Spread.of(x, torch.Size(shape))


def total(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x, summed down to `shape`, as `torch.Tensor.sum_to_size`. Its transpose is `spread`."""
    return x if x.shape == tuple(shape) else Total.of(x, torch.Size(shape))
