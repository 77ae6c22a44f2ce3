"""Branch (section 14.7): one value sent along several branches. In the backward pass their gradients add up.

    branch(x_in) = [x_in, x_in] = [x_out^a, x_out^b]              (14.38)
    g_in = [g_out^a, g_out^b] [1, 1]^T = g_out^a + g_out^b        (14.45), (14.46)

Broadcasting is a branch too: `broadcast_to` sends x to every place of a larger shape, `sum_to_size` sums over these
places. So is a bias, which branches to every datapoint, and a shared parameter, (14.47).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from ...layer.base import LinearMap
from ...layer.shape import ShapeError, in_words
from .linear_maps import JointlyLinear


class Branch(LinearMap):
    """n branches of one x. L is [1, ..., 1]^T, each 1 an identity."""

    many = True

    @staticmethod
    def forward(x, n):
        return tuple(x.view_as(x) for _ in range(n))  # n times the same tensor would be one branch to autograd

    @staticmethod
    def transpose(g, shape, n):
        return add_n(*g)

    @staticmethod
    def L(shape, n):
        return (torch.eye(shape.numel()).repeat(n, 1),)


class AddN(JointlyLinear):
    """The sum of the gradients of all branches, (14.46). Its transpose is to branch."""

    title = "add_n"
    terms = slice(None)

    @staticmethod
    def forward(*terms):
        return functools.reduce(operator.add, terms)

    @staticmethod
    def remember(needs, inputs, x_out):
        return ()

    @staticmethod
    def backward(needs, g):
        return tuple(g if need else None for need in needs)


class BroadcastTo(LinearMap):
    """x copied to every place of a larger shape. L is a stack of identities."""

    title = "broadcast_to"
    view = True

    @staticmethod
    def forward(x, shape):
        return x.expand(shape)

    @staticmethod
    def transpose(g, shape, _):
        return sum_to_size(g, shape)


class SumToSize(LinearMap):
    """The sum over the places that `broadcast_to` fills."""

    title = "sum_to_size"

    @staticmethod
    def forward(x, shape):
        return x.sum_to_size(shape)

    @staticmethod
    def transpose(g, shape, _):
        return broadcast_to(g, shape)


def branch(x: Tensor, n: int = 2) -> tuple[Tensor, ...]:
    """x [*] → n times [*], (14.38), all in x's memory. Their gradients add up; an unused branch adds nothing.

    Raises:
        ValueError: n is less than 1.
    """
    if n < 1:
        raise ValueError(f"branch: n is the number of branches, at least 1; it was given {n}.")
    return Branch.of(x, n)


def add_n(*terms: Tensor) -> Tensor:
    """The sum of tensors [*] of one shape, (14.46). The transpose of `branch`.

    Raises:
        ShapeError: they differ in shape.
    """
    if any(x.shape != terms[0].shape for x in terms):
        given = ", ".join(in_words(x) for x in terms)
        raise ShapeError(f"add_n: the terms do not fit. It expects one shape; it was given {given}.")
    return terms[0] if len(terms) == 1 else AddN.of(*terms)


def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x, broadcast to `shape`, as `torch.broadcast_to`. Its transpose is `sum_to_size`."""
    return x if x.shape == shape or x.shape == tuple(shape) else BroadcastTo.of(x, torch.Size(shape))


def sum_to_size(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x, summed to `shape`, as `torch.Tensor.sum_to_size`. Its transpose is `broadcast_to`."""
    return x if x.shape == shape or x.shape == tuple(shape) else SumToSize.of(x, torch.Size(shape))
