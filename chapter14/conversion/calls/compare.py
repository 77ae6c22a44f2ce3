"""Choices between values, as torch calls them: numbers and tensors, of any dtypes, broadcast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layers.pointwise import compare
from ..table import stands_for
from .operands import of_numbers, of_reals, promoted, tensors


@stands_for("torch.where")
@of_numbers
def where(condition: Tensor, input: Any = None, other: Any = None) -> Tensor:
    """input where the condition is True, else other; of a condition alone, where it is True, which stays native."""
    if input is None or condition.dtype not in (torch.bool, torch.uint8):
        return NotImplemented  # which torch refuses
    return compare.where(condition.bool(), *tensors(input, other))


@stands_for("Tensor.where")
@of_numbers
def where_of(input: Tensor, condition: Tensor, other: Any) -> Tensor:
    return where(condition, input, other)


@stands_for("maximum")
@of_reals
def maximum(input: Tensor, other: Tensor) -> Tensor:
    return compare.maximum(*promoted(input, other))


@stands_for("minimum")
@of_reals
def minimum(input: Tensor, other: Tensor) -> Tensor:
    return compare.minimum(*promoted(input, other))


@stands_for("fmax")
@of_reals
def fmax(input: Tensor, other: Tensor) -> Tensor:
    return compare.fmax(*promoted(input, other))


@stands_for("fmin")
@of_reals
def fmin(input: Tensor, other: Tensor) -> Tensor:
    return compare.fmin(*promoted(input, other))


@stands_for("clamp", "clip")
@of_reals
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, not below min and not above max: numbers, tensors or None."""
    if min is None and max is None:
        return NotImplemented  # which torch refuses
    if not isinstance(min, Tensor) and not isinstance(max, Tensor):
        (x,) = tensors(*(v for v in (input, min, max) if v is not None))[:1]
        return compare.clamp(x, min, max)
    if not all(v is None or isinstance(v, Tensor) for v in (min, max)):
        return NotImplemented  # a number and a tensor, which torch refuses
    given = iter(promoted(*(v for v in (input, min, max) if v is not None)))
    x, low, high = next(given), *(None if v is None else next(given) for v in (min, max))
    return compare.clamp(x, low, high)


@stands_for("clamp_min")
@of_reals
def clamp_min(input: Tensor, min: Any) -> Tensor:
    return clamp(input, min)


@stands_for("clamp_max")
@of_reals
def clamp_max(input: Tensor, max: Any) -> Tensor:
    return clamp(input, None, max)
