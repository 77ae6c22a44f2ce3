"""Views: layers whose x_out shares x_in's memory, as a part of it or in another shape.

part     x_out = x_in[key]                       L: some rows of I; the key is as in x[2, :, ::3, None]
whole    x_out = 0, and x_out[key] = x_in        L^T of part
replaced x_out = x_in, and x_out[key] = v        L^v = L^T of part
strided  x_out[i] = memory[offset + i·strides]   L: one 1 a row; L^T sums what was read more than once
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...layer.base import LinearMap
from ...layer.shape import several
from .arrange import Reshape, put, reshape, take
from .linear_maps import WriteAt


class View(Reshape):
    """As `Reshape`, but an error where x would have to be copied."""

    @staticmethod
    def forward(x, shape):
        return x.view(shape)


class Squeeze(Reshape):
    @staticmethod
    def forward(x, dims):
        return x.squeeze() if dims is None else x.squeeze(dims)


class Unsqueeze(Reshape):
    forward = staticmethod(torch.unsqueeze)


class Part(LinearMap):
    """`how` is the Tensor method that makes the view: "__getitem__", "select", "diagonal" ...

    "as_strided" counts from x's first entry, in the memory of a contiguous x.
    """

    view = True

    @staticmethod
    def forward(x, how, arguments):
        return _seen(x, how, arguments)

    @staticmethod
    def transpose(g, shape, how, arguments):
        return Whole.of(g, shape, how, arguments)


def _seen(x: Tensor, how: str, arguments: Sequence[Any]) -> Tensor:
    if how == "as_strided":
        x = x.contiguous()
        size, stride, offset = arguments
        return x.as_strided(size, stride, offset + x.storage_offset())
    return getattr(x, how)(*arguments)


class Whole(LinearMap):
    @staticmethod
    def forward(g, shape, how, arguments):
        x_out = g.new_zeros(shape)
        _seen(x_out, how, arguments).copy_(g)
        return x_out

    @staticmethod
    def transpose(g, _, shape, how, arguments):
        return Part.of(g, how, arguments)


class Replaced(WriteAt):
    """x, but v in the entries that `layer`, a view, reads."""

    @staticmethod
    def forward(x, v, layer, arguments):
        as_x = layer is Part and arguments[0] != "as_strided"
        x_out = x.clone(memory_format=torch.preserve_format if as_x else torch.contiguous_format)
        layer.forward(x_out, *arguments).copy_(v)
        return x_out

    @staticmethod
    def read(g, shape, layer, arguments):
        return (Reshape if layer is View else layer).of(g, *arguments)  # g may have any strides


class Strided(LinearMap):
    """L depends on x_in's strides, so they are remembered with its shape."""

    view = True

    forward = staticmethod(torch.as_strided)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, *constants = inputs
        return x.shape, (x.stride(), x.storage_offset()), *constants

    @staticmethod
    def backward(needs, g, shape, layout, size, stride, offset):
        n = 1 + max(_last(shape, *layout), _last(size, stride, offset))
        read, own = (_places(g, *view) for view in ((size, stride, offset), (shape, *layout)))
        memory = put(reshape(g, (g.numel(),)), read, 0, n)
        if own.unique().numel() < own.numel():
            raise NotImplementedError("as_strided: entries of x_in share memory, so they have no separate gradients.")
        return reshape(take(memory, own, 0), shape), None, None, None

    @staticmethod
    def jvp(tangents, x, size, stride, offset):
        dx = tangents[0]
        if dx.stride() == x.stride():
            return Strided.of(dx, size, stride, offset - x.storage_offset() + dx.storage_offset())
        n = 1 + max(_last(x.shape, x.stride(), x.storage_offset()), _last(size, stride, offset))
        own, read = (_places(x, *view) for view in ((x.shape, x.stride(), x.storage_offset()), (size, stride, offset)))
        return reshape(take(put(reshape(dx, (dx.numel(),)), own, 0, n), read, 0), size)


def _places(like: Tensor, size: Sequence[int], stride: Sequence[int], offset: int) -> Tensor:
    """The offset in memory of each entry of such a view."""
    at = torch.full((), offset, device=like.device)
    for n, step in zip(size, stride, strict=True):
        at = at[..., None] + torch.arange(n, device=like.device) * step
    return at.reshape(-1)


def _last(size: Sequence[int], stride: Sequence[int], offset: int) -> int:
    return offset + sum(max(n - 1, 0) * step for n, step in zip(size, stride, strict=True))


def part(x: Tensor, key: Any) -> Tensor:
    """x[key]; the key consists of ints, slices, None and Ellipsis."""
    return Part.of(x, "__getitem__", (key,))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """input without its axes of size 1, or without those of them in `dim`, as `torch.squeeze`."""
    return Squeeze.of(input, None if dim is None else several(dim))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """input with another axis, of size 1, as `torch.unsqueeze`."""
    return Unsqueeze.of(input, dim)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """input at one index along one axis, without that axis, as `torch.select`."""
    return Part.of(input, "select", (dim, index))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of input's matrices, along the last axis, as `torch.diagonal`."""
    return Part.of(input, "diagonal", (offset, dim1, dim2))


def embedded(x: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    """Matrices with x's last axis as their diagonal, as `torch.diag_embed`. The transpose of `diagonal`.

    Raises:
        IndexError: there is no such axis.
        RuntimeError: both axes are the same.
    """
    ndim = x.ndim + 1
    if not all(-ndim <= dim < ndim for dim in (dim1, dim2)):
        raise IndexError(f"diag_embed: there are no axes {dim1} and {dim2} among {ndim}.")
    if dim1 % ndim == dim2 % ndim:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    *shape, n = x.shape
    for dim in sorted((dim1 % ndim, dim2 % ndim)):
        shape.insert(dim, n + abs(offset))
    return Whole.of(x, tuple(shape), "diagonal", (offset, dim1, dim2))


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view of input's memory, as `torch.as_strided`."""
    offset = input.storage_offset() if storage_offset is None else storage_offset
    return Strided.of(input, tuple(size), tuple(stride), offset)
