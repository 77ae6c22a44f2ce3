"""Reading and writing at an index of tensors, as x[mask], x[i, :, j] and x[key] = v do.

    indexed       x_out[k...] = x_in[index_1[k], index_2[k], ...]       L: one 1 a row
    deposited     x_out[index_1[k], index_2[k], ...] += x_in[k...]      L^T of indexed, onto zeros
    index_put     x_out = x, but v at the index                         L^x: I, without the rows written; L^v: those
    masked_fill   x_out = x, but a number where the mask is True        L^x: I, without the rows written
    scatter       the same, each row along an axis by its own index

An index is one tensor, or None for ":", for each of x's axes; a mask stands for as many axes as it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap
from .arithmetic import gate, keep, times
from .branch import sum_to_size
from .gather import ScatterAdd, padded_to, pick
from .linear_maps import WriteAt
from .view import part

_read, _write = torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default


class Indexed(LinearMap):
    @staticmethod
    def forward(x, *index):
        return _read(x, index)

    @staticmethod
    def transpose(g, shape, *index):
        return Deposited.of(g, shape, *index)


class Deposited(LinearMap):
    @staticmethod
    def forward(g, shape, *index):
        return _write(g.new_zeros(shape), index, g, True)

    @staticmethod
    def transpose(g, _, shape, *index):
        return Indexed.of(g, *index)


class IndexPut(WriteAt):
    @staticmethod
    def forward(x: Tensor, v: Tensor, *index: Any) -> Tensor:
        return _write(x, index, v, False)

    @staticmethod
    def read(g, shape, *index):
        return sum_to_size(indexed(g, index), shape)


class IndexPutAdd(IndexPut):
    adds = True

    @staticmethod
    def forward(x, v, *index):
        return _write(x, index, v, True)


class MaskedFill(WriteAt):
    """The value is a tensor [] or a number."""

    takes_numbers = True

    @staticmethod
    def forward(x, value, mask):
        return x.masked_fill(mask, value)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, _, mask = inputs
        return x.shape, mask

    @staticmethod
    def backward(needs, g, shape, mask):
        dx = sum_to_size(masked_fill(g, mask, 0), shape) if needs[0] else None
        return dx, sum_to_size(keep(g, mask), ()) if needs[1] else None, None


class Scatter(WriteAt):
    """src is a tensor, read as far as `index` goes, or a number."""

    takes_numbers = True

    @staticmethod
    def forward(x, src, index, dim):
        return x.scatter(dim, index, src)

    @staticmethod
    def read(g, shape, index, dim):
        return padded_to(pick(g, index, dim), shape)


class ScatterExtreme(Layer):
    """The largest ("amax") or smallest of the entries written to each place; equal ones share its gradient.

    The masks are True at the entries of x and of src that equal x_out; n counts them.
    """

    @staticmethod
    def forward(x, src, index, dim, reduce, include_self):
        return x.scatter_reduce(dim, index, src, reduce, include_self=include_self)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, src, index, dim, _, include_self = inputs
        return *_extremes(x, src, index, dim, include_self, x_out), index, dim, src.shape

    @staticmethod
    def backward(needs, g, of_x, of_src, n, index, dim, shape):
        g = times(g, n.to(g.dtype).reciprocal())
        dsrc = padded_to(gate(pick(g, index, dim), of_src), shape) if needs[1] else None
        return gate(g, of_x) if needs[0] else None, dsrc, None, None, None, None

    @staticmethod
    def jvp(tangents, x, src, index, dim, reduce, include_self):
        x_out = ScatterExtreme.forward(x, src, index, dim, reduce, include_self)
        of_x, of_src, n = _extremes(x, src, index, dim, include_self, x_out)
        dx, dsrc = (torch.zeros_like(t) if d is None else d for d, t in zip(tangents[:2], (x, src), strict=True))
        dsrc = gate(part(dsrc, tuple(map(slice, index.shape))), of_src)
        return times(ScatterAdd.of(gate(dx, of_x), dsrc, index, dim), n.to(dx.dtype).reciprocal())


def _extremes(
    x: Tensor, src: Tensor, index: Tensor, dim: int, include_self: bool, x_out: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    of_x = x == x_out
    if not include_self:
        of_x = of_x.scatter(dim, index, False)
    src = src[tuple(map(slice, index.shape))]
    of_src = src == x_out.gather(dim, index)
    n = of_x.long().scatter_add(dim, index, of_src.long())
    return of_x, of_src, n.clamp(min=1)


def indexed(x: Tensor, index: Sequence[Tensor | None]) -> Tensor:
    """x[index], where None stands for ":"."""
    return Indexed.of(x, *index)


def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """input, but `values` at the index, or `values` added there; as `torch.index_put`. They broadcast."""
    return (IndexPutAdd if accumulate else IndexPut).of(input, values, *indices)


def masked_fill(input: Tensor, mask: Tensor, value: float | Tensor) -> Tensor:
    """input, but `value` where the mask is True, as `torch.masked_fill`. The mask broadcasts."""
    return MaskedFill.of(input, value, mask)


def scatter(input: Tensor, dim: int, index: Tensor, src: float | Tensor) -> Tensor:
    """input, but src's entries at `index` along one axis, as `torch.scatter`; src is a tensor or a number."""
    return Scatter.of(input, src, index, dim)
