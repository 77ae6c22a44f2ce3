"""Scans as torch calls them, and differences and areas."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layer import cast
from ...layers.core.arithmetic import minus, plus, scale, times
from ...layers.core.arrange import narrow, reshape
from ...layers.core.branch import branch
from ...layers.core.cast import clone
from ...layers.core.merge import merge
from ...layers.reduce import scan
from ...layers.reduce.reduce import sum
from ...shape import axes
from ..table import stands_for
from .arithmetic import mul
from .operands import of_numbers


def _ready(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    axes(x, dim)
    return x if dtype is None else cast(x, dtype)


@stands_for("cumsum")
@of_numbers
def cumsum(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    return scan.cumsum(_ready(input, dim, dtype), dim)


@stands_for("cumprod")
@of_numbers
def cumprod(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    return scan.cumprod(_ready(input, dim, dtype), dim)


@stands_for("logcumsumexp")
@of_numbers
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    return scan.logcumsumexp(_ready(input, dim), dim)


@stands_for("diff")
@of_numbers
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Each entry along an axis less the one before it; n times over."""
    if input.ndim == 0 or n < 0:
        return NotImplemented  # which torch refuses
    axes(input, dim)
    if n == 0:
        return clone(input)  # without what is put before and behind it, as torch has it
    pieces = [t for t in (prepend, input, append) if t is not None]
    x = merge(*pieces, dim=dim) if len(pieces) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        x, also = branch(x)
        x = minus(narrow(x, dim, 1, x.shape[dim] - 1), narrow(also, dim, 0, also.shape[dim] - 1))
    return x


@stands_for("trapezoid", "trapz")
@of_numbers
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The area below the line through y, at the places x, or dx apart."""
    return sum(_pieces(y, x, dx, dim), dim)


@stands_for("cumulative_trapezoid")
@of_numbers
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The area so far."""
    return scan.cumsum(_pieces(y, x, dx, dim), dim)


def _pieces(y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    """The area between each two places: the mean of their y times how far they are apart."""
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
