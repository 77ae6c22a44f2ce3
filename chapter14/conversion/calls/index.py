"""x[key] and x[key] = value; entries that are read and written at the places in an index tensor.

A key of ints, slices, None and Ellipsis is a view of x. One with tensors in it takes two steps, as in torch: first the
basic part of the key, with ":" in place of each tensor; then the tensors, each along its axis.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer.base import cast
from ...layers.core.arrange import axis
from ...layers.core.index import ScatterExtreme, indexed
from ...layers.core.inplace import in_place
from ...layers.core.view import Part, Replaced, part
from .operands import by_name

_transformed = torch._C._are_functorch_transforms_active
_MASKS = (torch.bool, torch.uint8)
_BASIC = (int, slice, type(None), type(...))


def _is_basic(k: Any) -> bool:
    return isinstance(k, _BASIC) and not isinstance(k, bool)


def _first_step(x: Tensor, key: Any) -> tuple[Tensor, list[Tensor | None]]:
    """x at the basic part of the key, and the index of each axis, None for a whole one; the last may be left out."""
    if isinstance(key, list) and not any(isinstance(k, (slice, list, tuple, Tensor, type(None))) for k in key):
        key = (torch.tensor(key),)
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    keys = [k if _is_basic(k) else _as_index(k, x) for k in keys]
    spans = [k.ndim if isinstance(k, Tensor) and k.dtype in _MASKS else 1 for k in keys]
    basic: list[Any] = []
    index: list[Tensor | None] = []
    used = sum(n for k, n in zip(keys, spans, strict=True) if k is not None and k is not ...)
    for k, n in zip(keys, spans, strict=True):
        if isinstance(k, Tensor):
            basic += [slice(None)] * n or [None]
            index.append(k if n else k.reshape(1))
        elif k is ...:
            basic.append(k)
            index += [None] * (x.ndim - used)
        else:
            basic.append(k)
            index += [] if isinstance(k, int) else [None]
    return part(x, tuple(basic)) if any(k != slice(None) for k in basic) else x, index


def _as_index(k: Any, x: Tensor) -> Any:
    """A tensor for a list, an array or a bool; an int for any other number."""
    if not isinstance(k, (bool, Tensor, list, tuple)) and getattr(k, "ndim", 0) == 0:
        return operator.index(k)
    if isinstance(k, Tensor) and k.ndim == 0 and k.dtype not in _MASKS and not _transformed():
        return int(k)
    return (k if isinstance(k, Tensor) else torch.as_tensor(k)).to(x.device)


def _tensors(index: list[Tensor | None]) -> bool:
    return any(k is not None for k in index)


def get(x: Tensor, key: Any) -> Tensor:
    if _is_basic(key) or (type(key) is tuple and all(map(_is_basic, key))):
        return part(x, key)
    x, index = _first_step(x, key)
    return indexed(x, index) if _tensors(index) else x


def set_at(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value. The value may have more axes than the place, if the first ones are of size 1."""
    if key is False:  # nothing is selected
        return
    if torch.compiler.is_compiling():  # Dynamo cannot write through our view; copying computes nothing
        return x.__setitem__(key, value)
    value = _without_ones(_in_dtype_of(x, value if isinstance(value, Tensor) else x.new_full((), value)))
    if _is_basic(key) or (type(key) is tuple and all(map(_is_basic, key))):
        x, index = part(x, key), list[Tensor | None]()
    else:
        x, index = _first_step(x, key)
    if not _tensors(index):
        in_place(x, F.broadcast_to(value, x.shape))
    elif value.ndim == 0 and (mask := index[0]) is not None and mask.dtype == torch.bool and not _tensors(index[1:]):
        in_place(x, F.masked_fill(x, mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), value))
    else:
        in_place(x, F.index_put(x, index, value))


def _without_ones(value: Tensor) -> Tensor:
    shape = value.shape
    while shape and shape[0] == 1:
        shape = shape[1:]
    return value if len(shape) == value.ndim else F.reshape(value, shape)


def like(input: Tensor, value: Any) -> Tensor:
    """The number or tensor as a tensor of input's dtype."""
    if not isinstance(value, Tensor):
        return torch.full((), value, dtype=input.dtype, device=input.device)
    if value.is_complex() and not input.is_complex():
        raise RuntimeError(f"value cannot be converted to type {input.dtype} without overflow")
    return _in_dtype_of(input, value)


def _in_dtype_of(x: Tensor, value: Tensor) -> Tensor:
    return cast(value, x.dtype) if value.is_floating_point() or value.is_complex() else value.to(x.dtype)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    if index.numel() != source.numel() or source.dtype != input.dtype:
        expected = "source and index to have the same number of elements, and source the dtype of input"
        raise RuntimeError(f"put_(): Expected {expected}; got {source.numel()} of {source.dtype}, and {index.numel()}")
    row, index = F.reshape(input, (-1,)), index.reshape(-1)
    if index.numel() and not -row.numel() <= int(index.min()) <= int(index.max()) < row.numel():
        raise IndexError(f"put_(): an index is out of range for {row.numel()} entries")
    return F.reshape(F.index_put(row, (index,), F.reshape(source, (-1,)), accumulate), input.shape)


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


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = torch.broadcast_shapes(input.shape, mask.shape)
    if not shape:
        shape = torch.Size([1])
    return indexed(F.broadcast_to(input, shape), (mask.expand(shape),))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    return F.masked_fill(input, mask, like(input, value) if isinstance(value, Tensor) else value)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    if mask.dtype != torch.bool or input.dtype != source.dtype:
        raise RuntimeError("masked_scatter_: expected a bool mask, and source in the dtype of input")
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


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    dim = axis(input, dim)
    if input.ndim == 0:
        return F.reshape(index_copy(F.reshape(input, (1,)), 0, index, F.reshape(source, (1,))), ())
    shape = (*input.shape[:dim], index.numel(), *input.shape[dim + 1 :])
    if source.dtype != input.dtype or (source.shape != shape and (source.ndim or input.ndim > 1)):
        given = f"{source.shape} of {source.dtype}"
        raise RuntimeError(f"index_copy_(): expected source {shape} of {input.dtype}, got {given}")
    return F.index_put(input, _of_rows(input, dim, index), source)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    value = like(input, value)
    if value.ndim:
        raise RuntimeError(f"index_fill_ only supports a 0-dimensional value tensor, but got {value.ndim} dimension(s)")
    dim = axis(input, dim)
    if input.ndim == 0:
        return F.reshape(index_fill(F.reshape(input, (1,)), 0, index, value), ())
    return F.index_put(input, _of_rows(input, dim, index.unique()), value)  # each row once, for the gradient of value


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


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`scatter_reduce` of whole rows."""
    dim = axis(input, dim)
    shape = (*input.shape[:dim], index.numel(), *input.shape[dim + 1 :]) if input.ndim else source.shape
    if reduce not in ("mean", "amax", "amin") or not input.ndim or source.shape != shape or index.ndim > 1:
        return NotImplemented  # a product, a scalar, or torch refuses it
    at = index.long().reshape(-1, *(1 for _ in shape[dim + 1 :])).expand(shape)
    return scatter_reduce(input, dim, at, source, reduce, include_self=include_self)


def _replaced(input: Tensor, src: Tensor, how: str, *arguments: Any) -> Tensor:
    part = getattr(input.detach(), how)(*arguments)
    if part.shape != src.shape:
        raise RuntimeError(f"expected src to have a size equal to the part of input: {part.shape}, not {src.shape}")
    return Replaced.of(input, like(input, src), Part, (how, arguments))


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    return _replaced(input, src, "__getitem__", (slice(None),) * axis(input, dim) + (slice(start, end, step),))


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    if not input.is_contiguous():
        return NotImplemented
    offset = 0 if storage_offset is None else storage_offset - input.storage_offset()
    return Replaced.of(input, like(input, src), Part, ("as_strided", (tuple(size), tuple(stride), offset)))


def fill(input: Tensor, value: Any) -> Tensor:
    value = like(input, value)
    if value.ndim:
        raise RuntimeError(f"fill only supports 0-dimension value tensor but got {value.ndim} dimensions.")
    return F.masked_fill(input, torch.ones((), dtype=torch.bool, device=input.device), value)


def copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    return in_place(input, F.broadcast_to(_in_dtype_of(input, src.to(input.device)), input.shape))


CALLS = by_name(
    F.gather, F.index_add, F.index_put, F.index_select, F.scatter_add, as_strided_scatter, copy_, fill, index_copy,
    index_fill, index_reduce, masked_fill, masked_scatter, masked_select, put, scatter, scatter_reduce, slice_scatter,
    take_along_dim,
) | {
    "__getitem__": get,
    "__setitem__": set_at,
    "take": lambda input, index: indexed(F.reshape(input, (-1,)), (index,)),
    "select_scatter": lambda input, src, dim, index: _replaced(input, src, "select", dim, index),
    "diagonal_scatter":
        lambda input, src, offset=0, dim1=0, dim2=1: _replaced(input, src, "diagonal", offset, dim1, dim2),
    "zero_": lambda input: in_place(input, like(input, 0).expand(input.shape)),
}  # fmt: skip
