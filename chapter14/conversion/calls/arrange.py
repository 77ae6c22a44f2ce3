"""Shapes and axes, as torch calls them: sizes one by one or in one sequence, axes from either end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layers.arrange import Transpose, axis
from ...layers.branch import Spread
from ...layers.inplace import turn_in_place
from ...layers.repeat import Repeat, Windows
from ...layers.view import Squeeze, Unsqueeze, View, embedded
from ..table import stands_for

for _name in ("as_strided", "diagonal", "flatten", "narrow", "roll", "tril", "triu", "unflatten", "unsqueeze"):
    stands_for(_name)(getattr(F, _name))  # signature and all


def sizes(given: Sequence[Any], named: Any = None) -> tuple[int, ...]:
    """(2, 3) of f(2, 3), f((2, 3)) and f(size=(2, 3))."""
    if named is not None:
        given = (named,)
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], Sequence) else tuple(given)


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
    return F.reshape(input, (-1,))


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
    if input.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {input.ndim}-D tensor."
        )
    return F.transpose(input, -2, -1)


@stands_for("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    source, destination = ((d,) if isinstance(d, int) else d for d in (source, destination))
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
    return Spread.of(input, _whole(input, sizes(given, size)))


@stands_for("expand_as")
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    return Spread.of(input, other.shape)


@stands_for("broadcast_to")
def broadcast_to(input: Tensor, *given: Any, size: Any = None) -> Tensor:
    return Spread.of(input, _whole(input, sizes(given, size)))


def _whole(input: Tensor, size: tuple[int, ...]) -> tuple[int, ...]:
    """-1 is the size that an axis has."""
    new = len(size) - input.ndim
    return tuple(input.shape[i - new] if n == -1 and i >= new >= 0 else n for i, n in enumerate(size))


@stands_for("broadcast_tensors")
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    tensors = several(tensors)
    shape = torch.broadcast_shapes(*(x.shape for x in tensors))
    return tuple(Spread.of(x, shape) for x in tensors)


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
        return F.flip(input, ())
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
    x = F.spread(x, (*x.shape[: dim + 1], repeats, *x.shape[dim + 2 :]))
    return F.flatten(x, dim, dim + 1)


@stands_for("diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return embedded(input, diagonal, 0, 1) if input.ndim == 1 else F.diagonal(input, diagonal)


@stands_for("diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    return embedded(input, offset, dim1, dim2)


@stands_for("diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    return embedded(F.reshape(input, (-1,)), offset, 0, 1)


@stands_for("linalg.diagonal")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    return F.diagonal(A, offset, dim1, dim2)
