"""Functions that torch has for 1, 2 and 3 dimensions, as conv1d, conv2d and conv3d: written once, for any number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from ...layer.shape import several

Sizes = int | Sequence[int]
P = ParamSpec("P")
T = TypeVar("T")


def in_dimensions(f: Callable[P, T], *dimensions: int) -> tuple[Callable[P, T], ...]:
    """Copies of f for each number of dimensions, its keyword `axes`: of `_conv`, these are conv1d, conv2d, conv3d."""
    return tuple(_in_dimension(f, axes) for axes in dimensions or (1, 2, 3))


def _in_dimension(f: Any, axes: int) -> Any:
    name = f"{f.__name__.strip('_')}{axes}d"
    copy: Any = FunctionType(f.__code__, f.__globals__, name, f.__defaults__)  # a wrapper would cost a call
    copy.__kwdefaults__, copy.__annotations__ = {"axes": axes}, f.__annotations__
    copy.__doc__ = f.__doc__.replace("{axes}", str(axes))
    signature = inspect.signature(f)
    copy.__signature__ = signature.replace(parameters=[p for p in signature.parameters.values() if p.name != "axes"])
    return copy


def per_axis(value: Sizes, axes: int) -> tuple[int, ...]:
    """One number for each axis; a single one is for all."""
    numbers = several(value)
    return numbers * axes if len(numbers) == 1 else numbers
