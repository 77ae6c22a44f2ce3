"""Gather and scatter along an axis, each row by its own index, and rows of a table.

pick        x_out[..., k] = x_in[..., index[..., k]]           L: one 1 a row
place       x_out[..., index[..., k]] += x_in[..., k]          L^T of pick
embedding   x_out[i] = W[index[i]]                             W is a table, each of its rows a word
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..layer import Layer, LinearMap
from .arithmetic import gate
from .arrange import put, reshape


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


class Embedding(Layer):
    """Row by row, so only the rows that were read get a gradient; the padding row gets none."""

    letters = {"index": "...", "W": "V D"}
    title = "embedding"

    @staticmethod
    def forward(index, W, padding):
        return torch.nn.functional.embedding(index, W)

    @staticmethod
    def remember(needs, inputs, x_out):
        index, W, padding = inputs
        return index, W.shape[0], padding

    @staticmethod
    def backward(needs, g, index, V, padding):
        g = reshape(g, (index.numel(), g.shape[-1]))
        index = index.reshape(-1)
        if padding is not None:
            g = gate(g, (index != padding)[:, None].expand(g.shape))
        return None, put(g, index, 0, V), None

    @staticmethod
    def jvp(tangents, index, W, padding):
        return Embedding.of(index, tangents[1], padding)


def pick(x: Tensor, index: Tensor, dim: int = -1) -> Tensor:
    """x's entries at `index` along one axis, as `torch.gather`."""
    return Pick.of(x, index, dim)


def place(x: Tensor, index: Tensor, dim: int, shape: torch.Size) -> Tensor:
    """x's entries added up at `index` along one axis of zeros, as `torch.scatter_add`: `pick`, transposed."""
    return Place.of(x, index, dim, shape)


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """input [*] of integers, weight [V, D] → [*, D], as `torch.nn.functional.embedding`.

    Raises:
        NotImplementedError: for `scale_grad_by_freq` (no longer the gradient of this function) and `sparse`.
    """
    if scale_grad_by_freq or sparse:
        asked = "scale_grad_by_freq" if scale_grad_by_freq else "sparse"
        raise NotImplementedError(f"embedding: {asked}=True is not supported; its gradient here is dense and exact.")
    if max_norm is not None:
        with torch.no_grad():  # in place, as torch has it: the rows that are read, shortened
            torch.embedding_renorm_(weight, input, max_norm, norm_type)
    if padding_idx is not None:
        if not -weight.shape[0] <= padding_idx < weight.shape[0]:
            raise AssertionError(f"embedding: padding_idx {padding_idx} is not a row of weight {list(weight.shape)}.")
        padding_idx %= weight.shape[0]
    return Embedding.of(input, weight, padding_idx)
