"""Softmax and its kin, as torch, torch.special and Tensor call them: by axis and dtype."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layers.norm import softmax as layers
from ...shape import axes
from ..table import stands_for
from .operands import of_numbers, of_reals


@stands_for("torch.softmax", "Tensor.softmax", "special.softmax")
@of_reals
def softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return layers.softmax(input, dim, dtype=dtype)


@stands_for("torch.log_softmax", "Tensor.log_softmax", "special.log_softmax")
@of_reals
def log_softmax(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
    return layers.log_softmax(input, dim, dtype=dtype)


@stands_for("logsumexp", "special.logsumexp")
@of_numbers
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    return layers.logsumexp(input, axes(input, dim), keepdim)
