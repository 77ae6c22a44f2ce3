"""Rows of a table: W [V, D], one row for each word.

    embedding       x_out[i] = W[index[i]]                                      dJ/dW[index[i]] += g_out[i]
    embedding_bag   x_out[b] = sum_{i in bag b} c_i W[index[i]]                 dJ/dW[index[i]] += c_i g_out[b]
                                                                                dJ/dc_i = <g_out[b], W[index[i]]>

The mean of a bag is a sum with c_i = 1 / its size. For the maximum, each entry of x_out is one of W's. The padding row
is read, or left out of its bag, and gets no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap
from ...layer.shape import check_shapes, was_given
from ..core.arithmetic import added, keep, sum_along, times
from ..core.arrange import narrow, put, reshape, take
from ..core.gather import pick


class Embedding(LinearMap):
    """Only the rows that are read get a gradient."""

    letters = {"W": "V D", "index": "..."}
    title = "embedding"

    @staticmethod
    def forward(W, index, padding, by_frequency):
        return torch.nn.functional.embedding(index, W)

    @staticmethod
    def transpose(g, shape, index, padding, by_frequency):
        g, index, V = reshape(g, (index.numel(), g.shape[-1])), index.reshape(-1), shape[0]
        if by_frequency:
            g = times(g, _one_over_frequency(index, V, g))
        return _into_rows(g, index, V, padding)


def _into_rows(g: Tensor, index: Tensor, V: int, padding: int | None) -> Tensor:
    """dJ/dW. The gradient of the padding goes to an extra row that is dropped; times 0, NaN would stay NaN."""
    if padding is None:
        return put(g, index, 0, V)
    return narrow(put(g, index.masked_fill(index == padding, V), 0, V + 1), 0, 0, V)


def _one_over_frequency(index: Tensor, V: int, like: Tensor) -> Tensor:
    """1 / the number of times that each index occurs: [n, 1]."""
    one = torch.ones(index.shape, dtype=torch.promote_types(like.dtype, torch.float32), device=like.device)
    return one.new_zeros(V).index_add(0, index, one).reciprocal()[index][:, None].to(like.dtype)


class EmbeddingBag(Layer):
    """Bags one after another in one list of indices; `offsets` has the begin of each."""

    letters = {"W": "V D", "c": "n", "index": "n", "offsets": "B"}
    title = "embedding_bag"
    opmath = "derivatives"

    @staticmethod
    def forward(W, c, index, offsets, mode, last, padding, by_frequency):
        return _kernel(W, c, index, offsets, mode, last, padding)[0]

    @staticmethod
    def remember(needs, inputs, x_out):
        W, c, *constants = inputs
        return W if needs[1] else None, c, W.shape[0], *constants

    @staticmethod
    def backward(needs, g, W, c, V, index, offsets, mode, last, padding, by_frequency):
        bag, share = _bags(index, offsets[:-1] if last else offsets, mode, padding, g)
        g = times(take(g, bag), share)
        dW = dc = None
        if needs[0]:
            dW = g if c is None else times(g, reshape(c, (c.shape[0], 1)))
            dW = times(dW, _one_over_frequency(index, V, g)) if by_frequency else dW
            dW = _into_rows(dW, index, V, padding)
        if needs[1]:
            dc = reshape(sum_along(times(g, take(W, index)), -1), index.shape)
        return dW, dc, *(None for _ in range(6))

    @staticmethod
    def jvp(tangents, W, c, *constants):
        dW, dc, *_ = tangents
        return added(
            None if dW is None else EmbeddingBag.of(dW, c, *constants),
            None if dc is None else EmbeddingBag.of(W, dc, *constants),
        )


_MODES = {"sum": 0, "mean": 1, "max": 2}


def _kernel(W, c, index, offsets, mode, last, padding):
    return torch.embedding_bag(W, index, offsets, False, _MODES[mode], False, c, last, padding)


def _bags(index: Tensor, offsets: Tensor, mode: str, padding: int | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """For each index, its bag [n], and its weight in the bag's mean or sum, [n, 1]."""
    places = torch.arange(index.shape[0], device=index.device)
    bag = torch.searchsorted(offsets.to(places.dtype), places, right=True) - 1
    there = torch.ones_like(index, dtype=like.dtype) if padding is None else (index != padding).to(like.dtype)
    if mode == "mean":
        size = like.new_zeros(offsets.shape[0]).index_add(0, bag, there)
        there = there / size.clamp(min=1)[bag]
    return bag, there[:, None]


def _largest(W: Tensor, index: Tensor, offsets: Tensor, last: bool, padding: int | None) -> Tensor:
    """The maximum of each bag, entry by entry; 0 for an empty bag."""
    with torch.no_grad():
        _, _, size, row = _kernel(W.detach(), None, index, offsets, "max", last, padding)
    there = (size[: row.shape[0], None] > 0).expand(row.shape)
    return keep(pick(W, row.clamp(min=0), 0), there)


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """input [*] of integers, weight [V, D] → [*, D], as `torch.nn.functional.embedding`.

    `scale_grad_by_freq` divides the gradient of each row by the number of times it is read; the result is not the
    gradient of any function.

    Raises:
        NotImplementedError: for `sparse`.
    """
    check_shapes("embedding", weight=(weight, "V D"))
    padding_idx = _prepared("embedding", input, weight, padding_idx, max_norm, norm_type, sparse)
    return Embedding.of(weight, input, padding_idx, scale_grad_by_freq)


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
    per_sample_weights: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Bags of rows: input [B, n], or [n] with offsets [B], of integers, weight [V, D] → [B, D].

    As `torch.nn.functional.embedding_bag`.

    Raises:
        NotImplementedError: for `sparse`, and for weights in another mode than "sum".
    """
    c = per_sample_weights
    _check_bag(input, weight, offsets, mode, scale_grad_by_freq, c)
    if offsets is None:  # each row is a bag
        offsets = torch.arange(input.shape[0], device=input.device, dtype=input.dtype) * input.shape[1]
        input, include_last_offset = input.reshape(-1), False
        c = None if c is None else reshape(c, input.shape)
    padding_idx = _prepared("embedding_bag", input, weight, padding_idx, max_norm, norm_type, sparse)
    if mode == "max":
        return _largest(weight, input, offsets, include_last_offset, padding_idx)
    constants = (input, offsets, mode, include_last_offset, padding_idx, scale_grad_by_freq)
    return EmbeddingBag.of(weight, c, *constants)


def _prepared(name, index, weight, padding_idx, max_norm, norm_type, sparse) -> int | None:
    if sparse:
        raise NotImplementedError(f"{name}: sparse=True is not supported; its gradient here is dense.")
    if max_norm is not None:
        with torch.no_grad():  # as in torch, shortens the rows that are read, in place
            torch.embedding_renorm_(weight, index, max_norm, norm_type)
    if padding_idx is None:
        return None
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise AssertionError(f"{name}: padding_idx {padding_idx} is not a row of weight {list(weight.shape)}.")
    return padding_idx % weight.shape[0]


def _check_bag(input, weight, offsets, mode, scale_grad_by_freq, c) -> None:
    if mode not in _MODES or (mode == "max" and scale_grad_by_freq):
        given = was_given(mode=mode, scale_grad_by_freq=scale_grad_by_freq)
        raise ValueError(f"embedding_bag: mode is 'sum', 'mean', or, without scale_grad_by_freq, 'max'; {given}")
    lists = (input.ndim == 1 and offsets is not None and offsets.ndim == 1) or (input.ndim == 2 and offsets is None)
    if not lists or weight.ndim != 2 or (c is not None and c.shape != input.shape):
        raise ValueError(
            "embedding_bag: it expects input [B, n], or input [n] with offsets [B], weight [V, D], and "
            "per_sample_weights in input's shape; "
            + was_given(input=input, weight=weight, offsets=offsets, per_sample_weights=c)
        )
    if c is not None and mode != "sum":
        raise NotImplementedError(f"embedding_bag: per_sample_weights need mode='sum'; it was given {mode!r}.")
