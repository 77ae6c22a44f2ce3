"""Merge (section 14.7): many values become one. In the backward pass each gets its own part of g.

    merge(x_in^a, x_in^b) = [x_in^a, x_in^b] = x_out             (14.37)
    g_in^a = g_out [1, 0]^T,  g_in^b = g_out [0, 1]^T            (14.41), which is `split`

merge <-> split and stack <-> unbind are each other's transpose. Pieces of different shapes merge too, as vectors: the
shape of a tensor has no impact on the math.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import torch
from torch import Tensor

from ...layer.base import LinearMap, cast
from ...layer.shape import ShapeError, in_words
from .arrange import reshape
from .linear_maps import JointlyLinear


class Merge(JointlyLinear):
    terms = slice(1, None)

    @staticmethod
    def forward(dim, *pieces):
        return torch.cat(pieces, dim)

    @staticmethod
    def remember(needs, inputs, x_out):
        dim, *pieces = inputs
        return dim, [x.shape for x in pieces]

    @staticmethod
    def backward(needs, g, dim, shapes):
        parts = split(g, [shape[dim] for shape in shapes], dim)
        return None, *(part if need else None for part, need in zip(parts, needs[1:], strict=True))

    @staticmethod
    def L(dim, shapes):
        """[1, 0], (14.41): for each piece, an identity at its entries of x_out."""
        sizes = [shape[dim] for shape in shapes]
        shape = (*shapes[0][:dim], sum(sizes), *shapes[0][dim + 1 :])
        n = torch.Size(shape).numel()
        places = torch.arange(n).reshape(shape).split(sizes, dim)
        return None, *(torch.eye(n)[:, place.flatten()] for place in places)


class Split(LinearMap):
    many = True

    @staticmethod
    def forward(x, sizes, dim):
        return tuple(x.split_with_sizes(sizes, dim))

    @staticmethod
    def transpose(g, shape, sizes, dim):
        return merge(*g, dim=dim)


class Stack(JointlyLinear):
    terms = slice(1, None)

    @staticmethod
    def forward(dim, *slices):
        return torch.stack(slices, dim)

    @staticmethod
    def remember(needs, inputs, x_out):
        return (inputs[0],)

    @staticmethod
    def backward(needs, g, dim):
        return None, *(g_in if need else None for g_in, need in zip(unbind(g, dim), needs[1:], strict=True))


class Unbind(LinearMap):
    many = True

    forward = staticmethod(torch.unbind)

    @staticmethod
    def transpose(g, shape, dim):
        return stack(g, dim)


def merge(*x_in: Tensor, dim: int | None = -1) -> Tensor:
    """x_in^a, x_in^b, ..., concatenated along one axis, as `torch.cat`; (14.37).

    With `dim=None` each is flattened first, whatever its shape: θ = vec[W, b] is `merge(W, b, dim=None)`.

    Raises:
        ShapeError: the pieces differ in another axis than `dim`.
        IndexError: they have no such axis.
        ValueError: there are none.
    """
    if not x_in:
        raise ValueError("merge: it takes one x_in or more; it was given none.")
    if dim is None:
        return merge(*(reshape(x, (x.numel(),)) for x in x_in))
    dim = _axis("merge", dim, x_in[0])
    others = [(*x.shape[:dim], *x.shape[dim + 1 :]) for x in x_in]
    if any(x.ndim != x_in[0].ndim or shape != others[0] for x, shape in zip(x_in, others, strict=True)):
        given = ", ".join(in_words(x) for x in x_in)
        raise ShapeError(f"merge: x_in do not fit. It expects one shape but for axis {dim}; it was given {given}.")
    return Merge.of(dim, *of_one_dtype(x_in))


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """tensor in pieces of these sizes along one axis, as `torch.split`; a number is the size of each. Undoes `merge`.

    Raises:
        ShapeError: the sizes do not add up to the axis, or tensor has no axes.
        IndexError: there is no such axis.
    """
    if tensor.ndim == 0:
        raise ShapeError(f"split: it expects an axis; it was given x {in_words(tensor)}.")
    dim, sizes = _axis("split", dim, tensor), split_size_or_sections
    n = tensor.shape[dim]
    if not isinstance(sizes, Sequence):
        sizes = operator.index(sizes)
        if sizes < 0 or (sizes == 0 and n):
            raise ShapeError(f"split: a piece has a size above 0; it was given {sizes}, and axis {dim} of {n}.")
        whole, rest = n // max(sizes, 1), n % max(sizes, 1)
        sizes = [sizes] * whole + [rest] * (rest > 0) or [0]
    if sum(sizes) != n or min(sizes, default=0) < 0:
        given = in_words(tensor)
        raise ShapeError(f"split: sizes {list(sizes)} do not add up to axis {dim} of x. It was given x {given}.")
    return Split.of(tensor, tuple(sizes), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices of input along one axis, without that axis, as `torch.unbind`. Undoes `stack`.

    Raises:
        IndexError: there is no such axis.
    """
    return Unbind.of(input, _axis("unbind", dim, input)) if input.shape[dim] else ()


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors [*] of one shape, stacked along a new axis, as `torch.stack`.

    Raises:
        ShapeError: they differ in shape.
    """
    if any(x.shape != tensors[0].shape for x in tensors):
        given = ", ".join(in_words(x) for x in tensors)
        raise ShapeError(f"stack: the tensors do not fit. It expects one shape; it was given {given}.")
    return Stack.of(dim, *of_one_dtype(tensors))


def of_one_dtype(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """The tensors in the dtype that their dtypes promote to."""
    if len(dtypes := {x.dtype for x in tensors}) > 1:
        return [cast(x, functools.reduce(torch.promote_types, dtypes)) for x in tensors]
    return tensors


def _axis(layer: str, dim: int, x: Tensor) -> int:
    if not -x.ndim <= dim < x.ndim:
        raise IndexError(f"{layer}: there is no axis {dim} in {in_words(x)}.")
    return dim % x.ndim
