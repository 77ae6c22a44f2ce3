"""Entries chosen along an axis, by their rank or by the entries before: max, sort, topk, median, cummax.

    x_out[k] = x_in[index[k]],  L[k, j] = 1 where j = index[k], else 0

For a given index the layer is linear, so it remembers the index only. g_in is g at the index, 0 elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ...layer.base import Layer
from ..core.arrange import reshape
from ..core.gather import pick, place


class Chosen(Layer):
    """`choose` gives the values and their index along dim, with that axis in both, or without it."""

    letters = {"x": "..."}
    many = True

    @staticmethod
    def forward(x, dim, choose):
        return tuple(choose(x))

    @staticmethod
    def remember(needs, inputs, x_out):
        x, dim, _ = inputs
        return x_out[1], dim, x.shape

    @staticmethod
    def backward(needs, g, index, dim, shape):
        if index.ndim < len(shape):
            index, g = index.unsqueeze(dim), (reshape(g[0], (*index.shape[:dim], 1, *index.shape[dim:])),)
        return place(g[0], index, dim, shape), None, None

    @staticmethod
    def jvp(tangents, x, dim, choose):
        index = choose(x.detach())[1]
        if index.ndim < x.ndim:
            return reshape(pick(tangents[0], index.unsqueeze(dim), dim), index.shape), None
        return pick(tangents[0], index, dim), None


def chosen(x: Tensor, choose: Callable[[Tensor], tuple[Tensor, Tensor]], dim: int) -> tuple[Tensor, Tensor]:
    """What `choose` takes of x along one axis, and where it was; `choose` is as `lambda x: x.sort(dim)`."""
    return Chosen.of(x, dim % max(x.ndim, 1), choose)
