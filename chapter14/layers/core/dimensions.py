"""Functions that torch has for 1, 2 and 3 dimensions, as conv1d, conv2d and conv3d: written once, for any number."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from ...layer.shape import several

Sizes = int | Sequence[int]
P = ParamSpec("P")
T = TypeVar("T")


def in_dimensions(f: Callable[Concatenate[int, P], T], *dimensions: int) -> tuple[Callable[P, T], ...]:
    """f(axes, ...) with the number of axes filled in: for f called `_conv`, these are conv1d, conv2d, ..."""
    return tuple(_in_dimension(f, axes) for axes in dimensions or (1, 2, 3))


def _in_dimension(f: Callable[Concatenate[int, P], T], axes: int) -> Callable[P, T]:
    @functools.wraps(f)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        return f(axes, *args, **kwargs)

    called.__name__ = called.__qualname__ = f"{f.__name__.strip('_')}{axes}d"
    called.__doc__ = (f.__doc__ or "").replace("{axes}", str(axes))
    signature = inspect.signature(f)
    called.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    del called.__wrapped__  # type: ignore[attr-defined]  # whose signature has `axes`
    return called


def per_axis(value: Sizes, axes: int) -> tuple[int, ...]:
    """One number for each axis; a single one is for all."""
    numbers = several(value)
    return numbers * axes if len(numbers) == 1 else numbers
