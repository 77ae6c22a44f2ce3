"""The steps of a recurrent chain, one below another: their order, and the state before each."""

from __future__ import annotations

from torch import Tensor

from ..core.merge import merge, split


def order(T: int, backwards: bool) -> list[int]:
    return list(reversed(range(T))) if backwards else list(range(T))


def states_before(first: Tensor, after: Tensor, backwards: bool) -> Tensor:
    """The state before each step [T B, H], from the first one [B, H] and those after each step [T B, H]."""
    B, n = len(first), len(after)
    _, others = split(after, [B, n - B], dim=0) if backwards else reversed(split(after, [n - B, B], dim=0))
    return merge(others, first, dim=0) if backwards else merge(first, others, dim=0)
