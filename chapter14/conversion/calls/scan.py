"""Along one axis: scans, differences, areas, and the entries that torch returns with their indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...layer.shape import axes
from ...layers.core.arithmetic import minus, plus, scale, times
from ...layers.core.arrange import narrow, reshape
from ...layers.core.branch import branch
from ...layers.core.cast import clone
from ...layers.core.merge import merge
from ...layers.reduce import scan
from ...layers.reduce.reduce import evenly, sum
from ...layers.reduce.selection import chosen
from .arithmetic import maximum, minimum, mul
from .operands import by_name, of_numbers, of_reals, with_dtype


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Each entry along an axis minus the entry before it, n times."""
    if input.ndim == 0 or n < 0:
        return NotImplemented  # torch refuses it
    axes(input, dim)
    if n == 0:
        return clone(input)  # torch ignores prepend and append here
    pieces = [t for t in (prepend, input, append) if t is not None]
    x = merge(*pieces, dim=dim) if len(pieces) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        x, also = branch(x)
        x = minus(narrow(x, dim, 1, x.shape[dim] - 1), narrow(also, dim, 0, also.shape[dim] - 1))
    return x


def _areas(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    """The area of each trapezoid: the mean of two neighbouring y times the distance between their places."""
    axes(y, dim)
    n = y.shape[dim]
    y, also = branch(y)
    pairs = plus(narrow(y, dim, 0, max(n - 1, 0)), narrow(also, dim, min(n, 1), max(n - 1, 0)))
    if x is None:
        return mul(scale(pairs, 0.5), dx)
    apart = diff(x, dim=0 if x.ndim == 1 else dim)
    if x.ndim == 1:
        apart = reshape(apart, (-1, *(1 for _ in range(y.ndim - 1 - dim % y.ndim))))
    return times(scale(pairs, 0.5), apart)


def _named(native: Any, input: Tensor, axis: int, /, *args: Any, dense: bool = False, **kwargs: Any) -> Any:
    """The entries that `native` chooses along an axis, with their indices, as torch's named tuple."""
    axes(input, axis)

    def choose(x: Tensor) -> Any:
        return native(x.contiguous() if dense else x, *args, **kwargs)

    return getattr(torch.return_types, native.__name__)(chosen(input, choose, axis))


def _one_of(native: Any, default: int | None = None) -> Callable:
    """The forms of torch.median: of all entries; or along an axis, with the index."""

    def call(input: Tensor, dim: int | None = default, keepdim: bool = False) -> Any:
        if dim is None:
            return evenly(input, native)
        return _named(native, input, dim, dim, keepdim, dense=True)  # torch reads an expanded tensor out of bounds

    return call


def _extreme(native: Any, of_two: Callable) -> Callable:
    """The forms of torch.max: of all entries; along an axis, with the index; or of two tensors."""
    of_one = _one_of(native)

    def call(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if other is not None or isinstance(dim, Tensor):
            return of_two(input, dim if other is None else other)
        return of_one(input, dim, keepdim)

    return call


def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> Any:
    return _named(torch.sort, input, dim, dim=dim, descending=descending, stable=stable)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    return _named(torch.topk, input, dim, k, dim, largest, sorted)


CALLS = of_numbers(by_name(scan.logcumsumexp, diff) | {
    "cumsum": with_dtype(scan.cumsum),
    "cumprod": with_dtype(scan.cumprod),
    "trapezoid trapz": lambda y, x=None, *, dx=1, dim=-1: sum(_areas(y, x, dx, dim), dim),
    "cumulative_trapezoid": lambda y, x=None, *, dx=1, dim=-1: scan.cumsum(_areas(y, x, dx, dim), dim),
}) | of_reals(by_name(sort, topk) | {
    "max": _extreme(torch.max, maximum),
    "min": _extreme(torch.min, minimum),
    "median": _one_of(torch.median),
    "nanmedian": _one_of(torch.nanmedian),
    "mode": _one_of(torch.mode, -1),
    "kthvalue": lambda input, k, dim=-1, keepdim=False: _named(torch.kthvalue, input, dim, k, dim, keepdim),
    "msort": lambda input: sort(input, 0)[0],
    "cummax": lambda input, dim: _named(torch.cummax, input, dim, dim),
    "cummin": lambda input, dim: _named(torch.cummin, input, dim, dim),
})  # fmt: skip
