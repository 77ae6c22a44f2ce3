"""What is read and written at places that tensors say, as torch calls it. The forms in place follow from these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer import cast
from ...layers.core.arrange import axis
from ...layers.core.index import ScatterExtreme, indexed
from ...layers.core.inplace import in_place
from ...layers.core.view import Part, Replaced
from ..table import stands_for

for _name in ("gather", "index_add", "index_put", "index_select", "scatter_add"):
    stands_for(_name)(getattr(F, _name))  # signature and all


def like(input: Tensor, value: Any) -> Tensor:
    """A number as a tensor of input's kind, and a tensor in input's dtype."""
    if not isinstance(value, Tensor):
        return torch.full((), value, dtype=input.dtype, device=input.device)
    if value.is_complex() and not input.is_complex():
        raise RuntimeError(f"value cannot be converted to type {input.dtype} without overflow")
    return cast(value, input.dtype) if value.is_floating_point() or value.is_complex() else value.to(input.dtype)


@stands_for("take")
def take(input: Tensor, index: Tensor) -> Tensor:
    return indexed(F.reshape(input, (-1,)), (index,))


@stands_for("put")
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    if index.numel() != source.numel() or source.dtype != input.dtype:
        raise RuntimeError(
            f"put_(): Expected source and index to have the same number of elements, and source input's dtype; "
            f"they have {source.numel()}, of {source.dtype}, and {index.numel()}"
        )
    row, index = F.reshape(input, (-1,)), index.reshape(-1)
    if index.numel() and not -row.numel() <= int(index.min()) <= int(index.max()) < row.numel():
        raise IndexError(f"put_(): an index is out of range, of {row.numel()} entries")
    return F.reshape(F.index_put(row, (index,), F.reshape(source, (-1,)), accumulate), input.shape)


@stands_for("take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    if indices.dtype != torch.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}")
    if dim is None:
        return indexed(F.reshape(input, (-1,)), (indices.reshape(-1),))
    if input.ndim != indices.ndim:
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number of dimensions")
    dim = axis(input, dim)
    others = torch.broadcast_shapes(*((*x.shape[:dim], 1, *x.shape[dim + 1 :]) for x in (input, indices)))
    a, b = ((*others[:dim], x.shape[dim], *others[dim + 1 :]) for x in (input, indices))
    return F.gather(F.broadcast_to(input, a), dim, torch.where(indices < 0, indices + a[dim], indices).expand(b))


@stands_for("masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = torch.broadcast_shapes(input.shape, mask.shape)
    if not shape:
        shape = torch.Size([1])
    return indexed(F.broadcast_to(input, shape), (mask.expand(shape),))


@stands_for("masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    return F.masked_fill(input, mask, like(input, value) if isinstance(value, Tensor) else value)


@stands_for("masked_scatter")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    if mask.dtype != torch.bool or input.dtype != source.dtype:
        raise RuntimeError("masked_scatter_: mask is of bool, source of input's dtype")
    shape = torch.broadcast_shapes(input.shape, mask.shape)
    input, mask = F.broadcast_to(input, shape), mask.expand(shape)
    n = int(mask.sum())
    if n > source.numel():
        raise RuntimeError(f"masked_scatter: {source.numel()} elements of source < {n} ones in mask")
    if not shape:
        return F.reshape(masked_scatter(F.reshape(input, (1,)), mask.reshape(1), source), ())
    return F.index_put(input, (mask,), F.narrow(F.reshape(source, (-1,)), 0, 0, n))


def _of_rows(input: Tensor, dim: int, index: Tensor) -> list[Tensor | None]:
    return [None] * axis(input, dim) + [index.reshape(-1)]


@stands_for("index_copy")
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    dim = axis(input, dim)
    if input.ndim == 0:
        return F.reshape(index_copy(F.reshape(input, (1,)), 0, index, F.reshape(source, (1,))), ())
    shape = (*input.shape[:dim], index.numel(), *input.shape[dim + 1 :])
    if source.dtype != input.dtype or (source.shape != shape and (source.ndim or input.ndim > 1)):
        raise RuntimeError(f"index_copy_(): source is {shape}, of {input.dtype}; it was given {source.shape}")
    return F.index_put(input, _of_rows(input, dim, index), source)


@stands_for("index_fill")
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    value = like(input, value)
    if value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got {value.ndim} dimension(s)."
        )
    dim = axis(input, dim)
    if input.ndim == 0:
        return F.reshape(index_fill(F.reshape(input, (1,)), 0, index, value), ())
    return F.index_put(input, _of_rows(input, dim, index.unique()), value)  # written twice, the value counts once


@stands_for("scatter")
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    src = value if src is None else src
    if reduce is None:
        return F.scatter(input, dim, index, src)
    if not isinstance(src, Tensor):
        src = torch.full(index.shape, src, dtype=input.dtype, device=input.device)
    if reduce == "multiply":
        return NotImplemented
    return F.scatter_add(input, dim, index, src)


@stands_for("scatter_reduce")
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    if reduce == "prod" or not input.is_floating_point():
        return NotImplemented
    if reduce in ("amax", "amin"):
        return ScatterExtreme.of(input, src, index, dim, reduce, include_self)
    ones = torch.ones_like(src, requires_grad=False)
    added = F.scatter_add(input if include_self else F.scatter(input, dim, index, 0), dim, index, src)
    if reduce == "sum":
        return added
    if reduce != "mean":
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}.")
    counts = torch.ones_like(input, requires_grad=False)
    counts = (counts if include_self else counts.scatter(dim, index, 0)).scatter_add(dim, index, ones)
    return F.mul(added, counts.clamp(min=1).reciprocal())


@stands_for("index_reduce")
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """As `scatter_reduce`, of whole rows."""
    dim = axis(input, dim)
    shape = (*input.shape[:dim], index.numel(), *input.shape[dim + 1 :]) if input.ndim else source.shape
    if reduce not in ("mean", "amax", "amin") or not input.ndim or source.shape != shape or index.ndim > 1:
        return NotImplemented  # a product; a number; or what torch refuses
    at = index.long().reshape(-1, *(1 for _ in shape[dim + 1 :])).expand(shape)
    return scatter_reduce(input, dim, at, source, reduce, include_self=include_self)


def _replaced(input: Tensor, src: Tensor, how: str, *arguments: Any) -> Tensor:
    part = getattr(input.detach(), how)(*arguments)
    if part.shape != src.shape:
        raise RuntimeError(f"expected src to have a size equal to the part of input: {part.shape}, not {src.shape}")
    return Replaced.of(input, like(input, src), Part, (how, arguments))


@stands_for("select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    return _replaced(input, src, "select", dim, index)


@stands_for("slice_scatter")
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    return _replaced(input, src, "__getitem__", (slice(None),) * axis(input, dim) + (slice(start, end, step),))


@stands_for("diagonal_scatter")
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    return _replaced(input, src, "diagonal", offset, dim1, dim2)


@stands_for("as_strided_scatter")
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    if not input.is_contiguous():
        return NotImplemented
    offset = 0 if storage_offset is None else storage_offset - input.storage_offset()
    return Replaced.of(input, like(input, src), Part, ("as_strided", (tuple(size), tuple(stride), offset)))


@stands_for("fill")
def fill(input: Tensor, value: Any) -> Tensor:
    value = like(input, value)
    if value.ndim:
        raise RuntimeError(f"fill only supports 0-dimension value tensor but got {value.ndim} dimensions.")
    return F.masked_fill(input, torch.ones((), dtype=torch.bool, device=input.device), value)


@stands_for("zero_")
def zero_(input: Tensor) -> Tensor:
    return in_place(input, like(input, 0).expand(input.shape))


@stands_for("copy_")
def copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    src = src.to(input.device)
    inexact = src.is_floating_point() or src.is_complex()
    return in_place(input, F.broadcast_to(cast(src, input.dtype) if inexact else src.to(input.dtype), input.shape))
