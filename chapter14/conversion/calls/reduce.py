"""Reductions as torch calls them: over some axes or all, these kept or not, in another dtype perhaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...layer import cast
from ...layers.core.arithmetic import keep, times
from ...layers.core.arrange import reshape
from ...layers.core.branch import branch
from ...layers.reduce import reduce
from ...shape import axes
from ..table import stands_for
from .operands import of_numbers, of_reals

Dim = int | Sequence[int] | None


def _in(dtype: torch.dtype | None, x: Tensor) -> Tensor:
    return x if dtype is None else cast(x, dtype)


@stands_for("sum")
@of_numbers
def sum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    return reduce.sum(_in(dtype, input), dim, keepdim)


@stands_for("nansum")
@of_reals
def nansum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The sum of what is a number."""
    return sum(keep(input, ~input.detach().isnan()), dim, keepdim, dtype=dtype)


@stands_for("mean")
@of_numbers
def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    return reduce.mean(_in(dtype, input), dim, keepdim)


@stands_for("nanmean")
@of_reals
def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The mean of what is a number."""
    number = ~input.detach().isnan()
    x_out = nansum(input, dim, keepdim, dtype=dtype)
    return times(x_out, number.sum(axes(input, dim), keepdim).to(x_out.dtype).reciprocal())


@stands_for("prod")
@of_numbers
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    x = _in(dtype, input)
    if dim is None:
        return reduce.prod(reshape(x, (x.numel(),)), 0)
    return reduce.prod(x, dim, keepdim)


def _spread(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Any, float]:
    """The axes and the correction of torch.var, whose second argument may be `unbiased`."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    return dim, 1 if correction is None else correction


@stands_for("var")
@of_numbers
def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    dim, correction = _spread(dim, unbiased, correction)
    return reduce.var(input, dim, keepdim, correction)


@stands_for("std")
@of_numbers
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    dim, correction = _spread(dim, unbiased, correction)
    return reduce.std(input, dim, keepdim, correction)


@stands_for("var_mean")
@of_numbers
def var_mean(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    return _with_mean(var, input, *args, **kwargs)


@stands_for("std_mean")
@of_numbers
def std_mean(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    return _with_mean(std, input, *args, **kwargs)


def _with_mean(f: Callable, input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
               correction: float | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    x, also = branch(input)
    dim, correction = _spread(dim, unbiased, correction)
    return f(x, dim, None, keepdim, correction=correction), mean(also, dim, keepdim)


@stands_for("amax")
@of_reals
def amax(input: Tensor, dim: Dim = (), keepdim: bool = False) -> Tensor:
    return reduce.amax(input, dim, keepdim)


@stands_for("amin")
@of_reals
def amin(input: Tensor, dim: Dim = (), keepdim: bool = False) -> Tensor:
    return reduce.amin(input, dim, keepdim)


@stands_for("aminmax")
@of_reals
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    x, also = branch(input)
    return torch.return_types.aminmax((amin(x, dim, keepdim), amax(also, dim, keepdim)))


@stands_for("trace")
@of_numbers
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal."""
    if input.ndim != 2:
        return NotImplemented  # which torch refuses
    return reduce.sum(keep(input, torch.eye(*input.shape, dtype=torch.bool, device=input.device)))
