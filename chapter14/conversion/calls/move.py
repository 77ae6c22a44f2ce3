"""Entries moved along their axes, sent to several places, and to diagonals, as torch calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.arrange import axis
from ...layers.core.cast import clone
from ...layers.core.repeat import Repeat, Windows
from ...layers.core.view import embedded
from ..table import stands_for
from .arrange import sizes

for _name in ("diagonal", "roll", "tril", "triu"):
    stands_for(_name)(getattr(F, _name))  # signature and all


@stands_for("flip")
def flip(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    return F.flip(input, sizes(given, dims))


@stands_for("fliplr")
def fliplr(input: Tensor) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return F.flip(input, (1,))


@stands_for("flipud")
def flipud(input: Tensor) -> Tensor:
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return F.flip(input, (0,))


@stands_for("rot90")
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    if len(dims) != 2 or input.ndim < 2:
        raise RuntimeError(f"rot90: it turns two axes of two or more; it was given dims={dims}, and {input.ndim} axes")
    a, b = (axis(input, d) for d in dims)
    if a == b:
        raise RuntimeError(f"rot90: expected rotation dims to be different, but got dims={dims}")
    if k % 4 == 2:
        return F.flip(input, (a, b))
    if k % 4 == 0:
        return clone(input, torch.contiguous_format)
    return F.transpose(F.flip(input, (b,)), a, b) if k % 4 == 1 else F.flip(F.transpose(input, a, b), (b,))


@stands_for("select")
def select(input: Tensor, dim: int, index: Any) -> Tensor:
    return F.select(input, dim, int(index))


@stands_for("narrow_copy")
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    if dim >= input.ndim:
        raise RuntimeError(f"narrow_copy: there is no axis {dim} in {list(input.shape)}")
    return F.narrow(input, dim, start, length)


@stands_for("Tensor.unfold")
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows along one axis, each of `size`, `step` apart; a new last axis runs through them."""
    return Windows.of(input, axis(input, dimension), size, step)


@stands_for("repeat")
def repeat(input: Tensor, *given: Any, repeats: Any = None) -> Tensor:
    return Repeat.of(input, sizes(given, repeats))


@stands_for("tile")
def tile(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    times = sizes(given, dims)
    return Repeat.of(input, (1,) * (input.ndim - len(times)) + times)


@stands_for("repeat_interleave")
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    if repeats is None:
        return torch.repeat_interleave(input, output_size=output_size)  # of whole numbers: how often each place is said
    if dim is None:
        input, dim = F.reshape(input, (-1,)), 0
    dim = axis(input, dim)
    if isinstance(repeats, Tensor) and repeats.numel() == 1:
        repeats = int(repeats)
    if not isinstance(repeats, int):
        places = torch.arange(input.shape[dim] if input.ndim else 1, device=input.device)
        return F.index_select(input, dim, places.repeat_interleave(torch.as_tensor(repeats, device=input.device)))
    if repeats < 0:
        raise RuntimeError("repeats cannot be negative")
    x = F.unsqueeze(input, dim + 1)
    x = F.broadcast_to(x, (*x.shape[: dim + 1], repeats, *x.shape[dim + 2 :]))
    return F.flatten(clone(x, torch.contiguous_format), dim, dim + 1)


@stands_for("diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return (
        embedded(input, diagonal, 0, 1)
        if input.ndim == 1
        else clone(F.diagonal(input, diagonal), torch.contiguous_format)
    )


@stands_for("diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    return embedded(input, offset, dim1, dim2)


@stands_for("diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    return embedded(F.reshape(input, (-1,)), offset, 0, 1)


@stands_for("linalg.diagonal")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    return F.diagonal(A, offset, dim1, dim2)
