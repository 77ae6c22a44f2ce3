"""What torch chooses along an axis, and returns with its index: max, sort, topk, median, cummax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layers.reduce import reduce
from ...layers.reduce.selection import chosen
from ...shape import axes
from ..table import stands_for
from .compare import maximum, minimum
from .operands import of_reals


@stands_for("max")
@of_reals
def max(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The largest of all; or along an axis, with its index; or of two tensors."""
    return _extreme(torch.max, maximum, input, *args, **kwargs)


@stands_for("min")
@of_reals
def min(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The smallest of all; or along an axis, with its index; or of two tensors."""
    return _extreme(torch.min, minimum, input, *args, **kwargs)


def _extreme(native: Any, of_two: Any, input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None):
    if other is not None or isinstance(dim, Tensor):
        return of_two(input, dim if other is None else other)
    return _over(native, input, dim, keepdim)


def _over(native: Any, input: Tensor, dim: int | None, keepdim: bool) -> Any:
    """By a function of torch's that is of all, where dim is None, or else along dim."""
    if dim is None:
        return reduce.evenly(input, native)
    # of an expanded tensor, torch's medians read past its memory
    return _named(native, input, dim, lambda x: native(x.contiguous(), dim, keepdim))


def _named(native: Any, input: Tensor, dim: int, choose: Any) -> Any:
    axes(input, dim)
    return getattr(torch.return_types, native.__name__)(chosen(input, choose, dim))


@stands_for("median")
@of_reals
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    return _over(torch.median, input, dim, keepdim)


@stands_for("nanmedian")
@of_reals
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    return _over(torch.nanmedian, input, dim, keepdim)


@stands_for("mode")
@of_reals
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    return _over(torch.mode, input, dim, keepdim)


@stands_for("kthvalue")
@of_reals
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    return _named(torch.kthvalue, input, dim, lambda x: torch.kthvalue(x, k, dim, keepdim))


@stands_for("sort")
@of_reals
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None) -> Any:
    return _named(torch.sort, input, dim, lambda x: torch.sort(x, dim=dim, descending=descending, stable=stable))


@stands_for("msort")
@of_reals
def msort(input: Tensor) -> Tensor:
    return sort(input, 0)[0]


@stands_for("topk")
@of_reals
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    return _named(torch.topk, input, dim, lambda x: torch.topk(x, k, dim, largest, sorted))


@stands_for("cummax")
@of_reals
def cummax(input: Tensor, dim: int) -> Any:
    return _named(torch.cummax, input, dim, lambda x: torch.cummax(x, dim))


@stands_for("cummin")
@of_reals
def cummin(input: Tensor, dim: int) -> Any:
    return _named(torch.cummin, input, dim, lambda x: torch.cummin(x, dim))
