"""Shapes, axes and entries moved or repeated: sizes one by one or in a sequence, axes counted from either end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer.shape import several, was_given
from ...layers.core.arrange import Transpose, axis
from ...layers.core.branch import BroadcastTo
from ...layers.core.cast import clone
from ...layers.core.inplace import turn_in_place
from ...layers.core.repeat import Repeat, WindowsAlong
from ...layers.core.view import Squeeze, Unsqueeze, View, embedded
from .operands import by_name, each, sizes


def _of_sizes(layer: Callable[[Tensor, tuple[int, ...]], Tensor], name: str) -> Callable[..., Tensor]:
    """The layer as a call that takes the sizes or axes one by one, in a sequence, or by this name."""
    return lambda input, *given, **named: layer(input, sizes(given, named.pop(name, None)), **named)


def view(input: Tensor, *given: Any, size: Any = None, dtype: torch.dtype | None = None) -> Tensor:
    dtype = given[0] if given and isinstance(given[0], torch.dtype) else dtype
    if dtype is not None:
        return Tensor.view(input, dtype)  # reinterprets the bytes, which has no gradient
    return View.of(input, sizes(given, size))


def ravel(input: Tensor) -> Tensor:
    return F.reshape(input if input.is_contiguous() else clone(input, torch.contiguous_format), (-1,))


def transpose(input: Tensor, dim0: Any = None, dim1: Any = None, axis0: Any = None, axis1: Any = None) -> Tensor:
    return F.transpose(input, dim0 if axis0 is None else axis0, dim1 if axis1 is None else axis1)


def t(input: Tensor) -> Tensor:
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return F.transpose(input, 0, -1) if input.ndim else input


def mT(input: Tensor) -> Tensor:
    if input.ndim == 0:
        return NotImplemented  # torch returns it with a warning
    if input.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor")
    return F.transpose(input, -2, -1)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    source, destination = map(several, (source, destination))
    of = {axis(input, d): axis(input, s) for s, d in zip(source, destination, strict=False)}
    if not len(source) == len(destination) == len(of) == len(set(of.values())):
        given = f"it was given {source}, {destination}."
        raise RuntimeError(f"movedim: it expects source and destination of one length, without repeats; {given}")
    others = iter(i for i in range(input.ndim) if i not in of.values())
    return F.permute(input, [of[i] if i in of else next(others) for i in range(input.ndim)]) if of else input


def t_(input: Tensor) -> Tensor:
    return turn_in_place(input, "transpose_", Transpose, 0, -1) if input.ndim == 2 else input.t_()


def _expand(input: Tensor, size: tuple[int, ...], implicit: bool = False) -> Tensor:
    """-1 keeps the size of an axis."""
    new = len(size) - input.ndim
    size = tuple(input.shape[i - new] if n == -1 and i >= new >= 0 else n for i, n in enumerate(size))
    return BroadcastTo.of(input, size)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    tensors = each(tensors)
    shape = torch.broadcast_shapes(*(x.shape for x in tensors))
    return tuple(BroadcastTo.of(x, shape) for x in tensors)


def at_least(x: Tensor, n: int) -> Tensor:
    if x.ndim >= n:
        return x
    shape: dict[int, tuple[int, ...]] = {0: (1,) * n, 1: (1, -1, 1)[: max(n, 1)], 2: (*x.shape, 1)}
    return F.reshape(x, shape[x.ndim])


def _atleast(n: int) -> Callable:
    def f(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return at_least(tensors[0], n)
        return tuple(at_least(x, n) for x in each(tensors))

    return f


def _flipped(input: Tensor, name: str, dim: int) -> Tensor:
    if input.ndim <= dim:
        raise RuntimeError(f"{name}: Input must be >= {dim + 1}-d.")
    return F.flip(input, (dim,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    if len(dims) != 2 or input.ndim < 2:
        raise RuntimeError(f"rot90: it expects two dims, and two axes or more; {was_given(input=input, dims=dims)}")
    a, b = (axis(input, d) for d in dims)
    if a == b:
        raise RuntimeError(f"rot90: expected rotation dims to be different, but got dims={dims}")
    if k % 4 == 2:
        return F.flip(input, (a, b))
    if k % 4 == 0:
        return clone(input, torch.contiguous_format)
    return F.transpose(F.flip(input, (b,)), a, b) if k % 4 == 1 else F.flip(F.transpose(input, a, b), (b,))


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    if dim >= input.ndim:
        raise RuntimeError(f"narrow_copy: there is no axis {dim} in {list(input.shape)}")
    return F.narrow(input, dim, start, length)


def tile(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    return Repeat.of(input, (1,) * (input.ndim - len(dims)) + dims)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    if repeats is None:
        return torch.repeat_interleave(input, output_size=output_size)  # of counts: indices, which have no gradient
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


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    if input.ndim == 1:
        return embedded(input, diagonal, 0, 1)
    return clone(F.diagonal(input, diagonal), torch.contiguous_format)


CALLS = by_name(
    F.as_strided, F.diagonal, F.flatten, F.narrow, F.roll, F.squeeze, F.tril, F.triu, F.unflatten, F.unsqueeze,
    broadcast_tensors, diag, mT, narrow_copy, ravel, repeat_interleave, rot90, t, t_, view,
) | {
    "reshape": _of_sizes(F.reshape, "shape"),
    "reshape_as": lambda input, other: F.reshape(input, other.shape),
    "view_as": lambda input, other: View.of(input, tuple(other.shape)),
    "permute": _of_sizes(F.permute, "dims"),
    "transpose swapaxes swapdims": transpose,
    "T": lambda input: F.permute(input, tuple(reversed(range(input.ndim)))),
    "movedim moveaxis": movedim,
    "squeeze_": lambda input, dim=None: turn_in_place(input, "squeeze_", Squeeze, dim),
    "unsqueeze_": lambda input, dim: turn_in_place(input, "unsqueeze_", Unsqueeze, dim),
    "transpose_ swapaxes_ swapdims_":
        lambda input, dim0, dim1: turn_in_place(input, "transpose_", Transpose, dim0, dim1),
    "expand broadcast_to": _of_sizes(_expand, "size"),
    "expand_as": lambda input, other: BroadcastTo.of(input, other.shape),
    **{f"atleast_{n}d": _atleast(n) for n in (1, 2, 3)},
    "flip": _of_sizes(F.flip, "dims"),
    "fliplr": lambda input: _flipped(input, "fliplr", 1),
    "flipud": lambda input: _flipped(input, "flipud", 0),
    "select": lambda input, dim, index: F.select(input, dim, int(index)),
    "Tensor.unfold": lambda input, dimension, size, step: WindowsAlong.of(input, axis(input, dimension), size, step),
    "repeat": _of_sizes(Repeat.of, "repeats"),
    "tile": _of_sizes(tile, "dims"),
    "diag_embed": lambda input, offset=0, dim1=-2, dim2=-1: embedded(input, offset, dim1, dim2),
    "diagflat": lambda input, offset=0: embedded(F.reshape(input, (-1,)), offset, 0, 1),
    "linalg.diagonal": lambda A, *, offset=0, dim1=-2, dim2=-1: F.diagonal(A, offset, dim1, dim2),
}  # fmt: skip
