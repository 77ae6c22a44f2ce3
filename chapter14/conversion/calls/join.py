"""Tensors joined, and tensors taken apart."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer.shape import was_given
from ...layers.core.arrange import axis as axis_of
from ...layers.core.merge import Merge, of_one_dtype
from .arrange import at_least
from .operands import by_name, each


def cat(tensors: Sequence[Tensor], dim: int = 0, axis: int | None = None) -> Tensor:
    dim = dim if axis is None else axis
    first = next((x for x in tensors if x.shape != (0,)), None)
    if first is None:
        return Merge.of(0, *of_one_dtype(tensors))
    dim = axis_of(first, dim) if first.ndim else 0  # torch refuses numbers, whatever the axis
    none = (*first.shape[:dim], 0, *first.shape[dim + 1 :])  # an empty vector fits, whatever the others are
    pieces = [F.reshape(x, none) if x.shape == (0,) != none else x for x in tensors]
    return Merge.of(dim, *of_one_dtype(pieces))


def _of_at_least(n: int, tensors: Sequence[Tensor]) -> list[Tensor]:
    if not tensors:
        raise RuntimeError("expected a non-empty list of Tensors")
    return [at_least(x, n) for x in tensors]


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    pieces = _of_at_least(1, tensors)
    return cat(pieces, 0 if pieces[0].ndim == 1 else 1)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    return cat([x if x.ndim > 1 else F.reshape(x, (x.numel(), 1)) for x in tensors], 1)


def split(tensor: Tensor, split_size: Any = None, dim: int = 0, **named: Any) -> tuple[Tensor, ...]:
    return F.split(tensor, split_size if split_size is not None else next(iter(named.values())), dim)


def unsafe_split(tensor: Tensor, split_size: Any = None, dim: int = 0, **named: Any) -> tuple[Tensor, ...]:
    """Each piece is a separate view, so it may be written into."""
    size = split_size if split_size is not None else next(iter(named.values()))
    n = [x.shape[dim] for x in tensor.detach().split(size, dim)]
    return tuple(F.narrow(tensor, dim, b - k, k) for b, k in zip(itertools.accumulate(n), n, strict=True))


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    return unsafe_split(input, [x.shape[dim] for x in input.detach().chunk(chunks, dim)], dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    n = input.shape[axis_of(input, dim)]
    return F.split(input, -(-n // chunks) if n else [0] * chunks, dim)


def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    at = next(v for v in (indices_or_sections, indices, sections) if v is not None)
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    n = input.shape[axis_of(input, dim)]
    if isinstance(at, Tensor):
        if at.device.type != "cpu" or at.dtype != torch.int64 or at.ndim > 1:
            raise RuntimeError(f"tensor_split: it expects indices [] or [n], int64, on the CPU; it was given {at!r}")
        at = at.tolist()
    if isinstance(at, int):
        if at <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {at}")
        return F.split(input, [n // at + (i < n % at) for i in range(at)], dim)
    ends = [slice(i).indices(n)[1] for i in at]
    if ends == sorted(ends):
        return F.split(input, [b - a for a, b in itertools.pairwise([0, *ends, n])], dim)
    pieces = itertools.pairwise([0, *ends, n])  # they may overlap
    return tuple(F.narrow(input, dim, a, max(b - a, 0)) for a, b in pieces)


def _split_along(name: str, least: int, dim: Callable[[Tensor], int]) -> Callable[..., tuple[Tensor, ...]]:
    def call(input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None) -> Any:
        at = next(v for v in (indices_or_sections, indices, sections) if v is not None)
        if input.ndim < least:
            raise RuntimeError(f"torch.{name} requires a tensor with at least {least} dimension, but got {input.ndim}")
        axis = dim(input)
        n = input.shape[axis]
        if isinstance(at, int) and (at <= 0 or n % at):
            raise RuntimeError(f"torch.{name} attempted to split along dimension {axis}, of {n}, in {at} sections")
        return tensor_split(input, at, axis)

    return call


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Without `indexing`: torch's warning, and "ij"."""
    if indexing is None:
        warnings.warn("torch.meshgrid: pass the indexing argument; it is 'ij' without it.", stacklevel=2)
        indexing = "ij"
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    tensors = each(tensors)
    if any(x.ndim > 1 for x in tensors):
        raise RuntimeError("torch.meshgrid: Expected 0D or 1D tensor in the tensor list")
    if len({(x.dtype, x.device) for x in tensors}) > 1:
        raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype and device")
    order = list(range(len(tensors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    shape = [tensors[i].numel() for i in order]
    return tuple(
        F.broadcast_to(F.reshape(x, [n if order[j] == i else 1 for j, n in enumerate(shape)]), shape)
        for i, x in enumerate(tensors)
    )


def cartesian_prod(*tensors: Any) -> Tensor:
    tensors = each(tensors)
    if any(x.ndim != 1 for x in tensors):
        raise RuntimeError(f"cartesian_prod: it expects vectors; it was given {[list(x.shape) for x in tensors]}.")
    if len(tensors) == 1:
        return F.reshape(tensors[0], tensors[0].shape)
    return F.stack([F.reshape(x, (-1,)) for x in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    if input.ndim != 1 or r < 0:
        raise RuntimeError(f"combinations: it expects a vector, and r of 0 or more; {was_given(input=input, r=r)}")
    if r == 0:
        return input.new_empty(0)
    index = torch.combinations(torch.arange(len(input), device=input.device), r, with_replacement)
    return F.reshape(F.index_select(input, 0, index.reshape(-1)), tuple(index.shape))


def block_diag(*tensors: Any) -> Tensor:
    blocks = [at_least(x, 2) for x in each(tensors)]
    if any(x.ndim > 2 for x in blocks):
        raise RuntimeError("torch.block_diag: Input tensors must have 2 or fewer dimensions")
    width, before, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        rows.append(F.pad(x, (before, width - before - x.shape[1])))
        before += x.shape[1]
    return F.merge(*rows, dim=0)


def kron(input: Tensor, other: Tensor) -> Tensor:
    n = max(input.ndim, other.ndim)
    a, b = ((1,) * (n - x.ndim) + tuple(x.shape) for x in (input, other))
    x = F.reshape(input, [k for m in a for k in (m, 1)])
    y = F.reshape(other, [k for m in b for k in (1, m)])
    return F.reshape(F.mul(x, y), [i * j for i, j in zip(a, b, strict=True)])


CALLS = by_name(
    F.stack, F.unbind, block_diag, cartesian_prod, chunk, column_stack, combinations, hstack, kron, meshgrid,
    tensor_split, unsafe_chunk,
) | {
    "cat concat concatenate": cat,
    "vstack row_stack": lambda tensors: cat(_of_at_least(2, tensors), 0),
    "dstack": lambda tensors: cat(_of_at_least(3, tensors), 2),
    "split split_with_sizes": split,
    "unsafe_split unsafe_split_with_sizes": unsafe_split,
    "hsplit": _split_along("hsplit", 1, lambda x: 0 if x.ndim == 1 else 1),
    "vsplit": _split_along("vsplit", 2, lambda x: 0),
    "dsplit": _split_along("dsplit", 3, lambda x: 2),
    "Tensor.__iter__": lambda input: iter(F.unbind(input, 0)) if input.ndim else NotImplemented,
}  # fmt: skip
