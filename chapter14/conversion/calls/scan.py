"""Scans as torch calls them, and differences and areas."""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer import cast
from ...layers import scan
from ...shape import axes
from ..table import stands_for
from .operands import of_reals


def _ready(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    axes(x, dim)
    return x if dtype is None else cast(x, dtype)


@stands_for("cumsum")
@of_reals
def cumsum(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    return scan.cumsum(_ready(input, dim, dtype), dim)


@stands_for("cumprod")
@of_reals
def cumprod(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    return scan.cumprod(_ready(input, dim, dtype), dim)


@stands_for("logcumsumexp")
@of_reals
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    return scan.logcumsumexp(_ready(input, dim), dim)
