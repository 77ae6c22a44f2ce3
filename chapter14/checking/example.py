"""The decorator that says how to draw the inputs of a function, and what to compare it with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .case import Draw

F = TypeVar("F")


def example(
    inputs: tuple | str | Callable[[Draw, int], tuple], like: Callable | None = None, on_purpose: str = ""
) -> Callable[[F], F]:
    """Declares a function, class, operator or module for the checks; the arguments are those of `chapter14.check`.

    >>> @example("B N, M N, M", like=torch.nn.functional.linear)
    ... class Affine(torch.autograd.Function): ...
    """

    def declared(f: F) -> F:
        target: Any = f
        target.example = staticmethod(inputs) if isinstance(f, type) and callable(inputs) else inputs
        target.like = staticmethod(like) if isinstance(f, type) and like else like
        target.on_purpose = on_purpose
        return f

    return declared
