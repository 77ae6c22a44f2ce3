"""Shapes and axes, as torch calls them: sizes one by one or in one sequence, axes from either end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.arrange import Transpose, axis
from ...layers.core.branch import BroadcastTo
from ...layers.core.cast import clone
from ...layers.core.inplace import turn_in_place
from ...layers.core.view import Squeeze, Unsqueeze, View
from ...shape import several as several_numbers
from ..table import stands_for

for _name in ("as_strided", "flatten", "narrow", "unflatten", "unsqueeze"):
    stands_for(_name)(getattr(F, _name))  # signature and all


def sizes(given: Sequence[Any], named: Any = None) -> tuple[int, ...]:
    """(2, 3) of f(2, 3), f((2, 3)) and f(size=(2, 3))."""
    if named is not None:
        given = (named,)
    return several_numbers(given[0] if len(given) == 1 and isinstance(given[0], Sequence) else given)


@stands_for("reshape")
def reshape(input: Tensor, *given: Any, shape: Any = None) -> Tensor:
    return F.reshape(input, sizes(given, shape))


@stands_for("reshape_as")
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    return F.reshape(input, other.shape)


@stands_for("view")
def view(input: Tensor, *given: Any, size: Any = None, dtype: torch.dtype | None = None) -> Tensor:
    dtype = given[0] if given and isinstance(given[0], torch.dtype) else dtype
    if dtype is not None:
        return Tensor.view(input, dtype)  # bytes, read as other numbers: of that there is no gradient
    return View.of(input, sizes(given, size))


@stands_for("view_as")
def view_as(input: Tensor, other: Tensor) -> Tensor:
    return View.of(input, tuple(other.shape))


@stands_for("ravel")
def ravel(input: Tensor) -> Tensor:
    return F.reshape(input if input.is_contiguous() else clone(input, torch.contiguous_format), (-1,))


@stands_for("permute")
def permute(input: Tensor, *given: Any, dims: Any = None) -> Tensor:
    return F.permute(input, sizes(given, dims))


@stands_for("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: Any = None, dim1: Any = None, axis0: Any = None, axis1: Any = None) -> Tensor:
    return F.transpose(input, dim0 if axis0 is None else axis0, dim1 if axis1 is None else axis1)


@stands_for("t")
def t(input: Tensor) -> Tensor:
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return F.transpose(input, 0, -1) if input.ndim else input


@stands_for("T")
def reversed_axes(input: Tensor) -> Tensor:
    return F.permute(input, tuple(reversed(range(input.ndim))))


@stands_for("mT")
def of_matrices(input: Tensor) -> Tensor:
    if input.ndim == 0:
        return NotImplemented  # which torch gives as it is, with a warning
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    return F.transpose(input, -2, -1)


@stands_for("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    source, destination = map(several_numbers, (source, destination))
    of = {axis(input, d): axis(input, s) for s, d in zip(source, destination, strict=False)}
    if not len(source) == len(destination) == len(of) == len(set(of.values())):
        raise RuntimeError(
            f"movedim: source and destination name as many axes, and none twice; they are {source}, {destination}"
        )
    others = iter(i for i in range(input.ndim) if i not in of.values())
    return F.permute(input, [of[i] if i in of else next(others) for i in range(input.ndim)]) if of else input


@stands_for("squeeze")
def squeeze(input: Tensor, *given: Any, dim: Any = None) -> Tensor:
    return F.squeeze(input, *given) if dim is None else F.squeeze(input, dim)


@stands_for("squeeze_")
def squeeze_(input: Tensor, *given: Any, dim: Any = None) -> Tensor:
    return turn_in_place(input, "squeeze_", Squeeze, given[0] if given else dim)


@stands_for("unsqueeze_")
def unsqueeze_(input: Tensor, dim: int) -> Tensor:
    return turn_in_place(input, "unsqueeze_", Unsqueeze, dim)


@stands_for("transpose_", "swapaxes_", "swapdims_")
def transpose_(input: Tensor, dim0: int, dim1: int) -> Tensor:
    return turn_in_place(input, "transpose_", Transpose, dim0, dim1)


@stands_for("t_")
def t_(input: Tensor) -> Tensor:
    return transpose_(input, 0, -1) if input.ndim == 2 else input.t_()


@stands_for("expand")
def expand(input: Tensor, *given: Any, size: Any = None, implicit: bool = False) -> Tensor:
    return BroadcastTo.of(input, _whole(input, sizes(given, size)))


@stands_for("expand_as")
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    return BroadcastTo.of(input, other.shape)


@stands_for("broadcast_to")
def broadcast_to(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    return BroadcastTo.of(input, _whole(input, sizes(given, size)))


def _whole(input: Tensor, size: tuple[int, ...]) -> tuple[int, ...]:
    """-1 is the size that an axis has."""
    new = len(size) - input.ndim
    return tuple(input.shape[i - new] if n == -1 and i >= new >= 0 else n for i, n in enumerate(size))


@stands_for("broadcast_tensors")
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    tensors = several(tensors)
    shape = torch.broadcast_shapes(*(x.shape for x in tensors))
    return tuple(BroadcastTo.of(x, shape) for x in tensors)


def several(given: Any) -> tuple[Tensor, ...]:
    """(x, y) of f(x, y) and f([x, y])."""
    return tuple(given[0]) if len(given) == 1 and not isinstance(given[0], Tensor) else tuple(given)


def at_least(x: Tensor, n: int) -> Tensor:
    if x.ndim >= n:
        return x
    shape: dict[int, tuple[int, ...]] = {0: (1,) * n, 1: (1, -1, 1)[: max(n, 1)], 2: (*x.shape, 1)}
    return F.reshape(x, shape[x.ndim])


def _atleast(n: int) -> Callable:
    def f(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return at_least(tensors[0], n)
        return tuple(at_least(x, n) for x in several(tensors))

    return f


for _n in (1, 2, 3):
    stands_for(f"atleast_{_n}d")(_atleast(_n))
