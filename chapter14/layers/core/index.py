"""Reading and writing at places that tensors say, as x[mask], x[i, :, j] and x[key] = v do.

    indexed       x_out[k...] = x_in[index_1[k], index_2[k], ...]       L: one 1 a row
    deposited     x_out[index_1[k], index_2[k], ...] += x_in[k...]      L^T of indexed, onto zeros
    index_put     x_out = x, but v where the index says                 L^x: I, without the rows written; L^v: those
    masked_fill   x_out = x, but a number where the mask says           L^x: I, without the rows written
    scatter       the same, each row along an axis by its own index

An index is one tensor, or None for ":", for each of x's axes; a mask stands for as many axes as it has.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layer import Layer, LinearMap
from .arithmetic import gate, keep, times
from .branch import sum_to_size
from .gather import ScatterAdd, pick, widened
from .view import part

_read, _write = torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default


class Indexed(LinearMap):
    @staticmethod
    def forward(x, *index):
        return _read(x, index)

    @staticmethod
    def transpose(g, shape, *index):
        return Deposited.of(g, tuple(shape), *index)


class Deposited(LinearMap):
    @staticmethod
    def forward(x, shape, *index):
        return _write(x.new_zeros(shape), index, x, True)

    @staticmethod
    def transpose(g, x_shape, shape, *index):
        return Indexed.of(g, *index)


class IndexPut(Layer):
    @staticmethod
    def forward(x, v, accumulate, *index):
        return _write(x, index, v, accumulate)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, v, accumulate, *index = inputs
        return v.shape, accumulate, *index

    @staticmethod
    def backward(needs, g, shape, accumulate, *index):
        dx = g if accumulate else index_put(g, index, g.new_zeros(()))
        dv = sum_to_size(indexed(g, index), shape) if needs[1] else None
        return dx if needs[0] else None, dv, None, *(None for _ in index)

    @staticmethod
    def jvp(tangents, x, v, accumulate, *index):
        dx, dv = (torch.zeros_like(t) if d is None else d for d, t in zip(tangents[:2], (x, v), strict=True))
        return IndexPut.of(dx, dv, accumulate, *index)


class MaskedFill(Layer):
    """The value is a tensor [], or a number, which has no gradient."""

    @staticmethod
    def forward(x, mask, value):
        return x.masked_fill(mask, value)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, mask, _ = inputs
        return mask, x.shape

    @staticmethod
    def backward(needs, g, mask, shape):
        dx = sum_to_size(masked_fill(g, mask, 0), shape) if needs[0] else None
        return dx, None, sum_to_size(keep(g, mask), ()) if needs[2] else None

    @staticmethod
    def jvp(tangents, x, mask, value):
        dx, dvalue = torch.zeros_like(x) if tangents[0] is None else tangents[0], tangents[2]
        return masked_fill(dx, mask, 0 if dvalue is None else dvalue)


class Scatter(Layer):
    """src is a tensor, of which what lies beyond `index` is not read, or a number."""

    @staticmethod
    def forward(x, src, index, dim):
        return x.scatter(dim, index, src)

    @staticmethod
    def remember(needs, inputs, x_out):
        _, src, index, dim = inputs
        return index, dim, src.shape if isinstance(src, Tensor) else None

    @staticmethod
    def backward(needs, g, index, dim, shape):
        dx = Scatter.of(g, 0, index, dim) if needs[0] else None
        return dx, widened(pick(g, index, dim), shape) if needs[1] else None, None, None

    @staticmethod
    def jvp(tangents, x, src, index, dim):
        dx, dsrc = tangents[:2]
        if dsrc is None:
            dsrc = torch.zeros_like(src) if isinstance(src, Tensor) else 0
        return Scatter.of(torch.zeros_like(x) if dx is None else dx, dsrc, index, dim)


class ScatterExtreme(Layer):
    """The largest ("amax") or smallest of what comes to each place; entries as large as each other share its gradient.

    The masks say which entries of x and of src were as large; n counts them.
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
        dsrc = widened(gate(pick(g, index, dim), of_src), shape) if needs[1] else None
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
    """x at the index: x[index], where None stands for ":"."""
    return Indexed.of(x, *index)


def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """input, but `values` at the index, or `values` added there; as `torch.index_put`. They broadcast."""
    while len(indices) > 1 and indices[-1] is None:  # before which PyTorch 2.7 lays a mask along the last axis
        indices = indices[:-1]
    return IndexPut.of(input, values, accumulate, *indices)


def masked_fill(input: Tensor, mask: Tensor, value: float | Tensor) -> Tensor:
    """input, but `value` where the mask is True, as `torch.masked_fill`. The mask broadcasts."""
    return MaskedFill.of(input, mask, value)


def scatter(input: Tensor, dim: int, index: Tensor, src: float | Tensor) -> Tensor:
    """input, but src's entries at `index` along one axis, as `torch.scatter`; src is a tensor or a number."""
    return Scatter.of(input, src, index, dim)
