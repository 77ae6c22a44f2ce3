"""Choices between values, entry by entry: going back, g goes where x_out came from.

    where      x_out = a where m, else b        L^a = diag m             L^b = diag (1 - m)
    maximum    x_out = the larger of a, b       where they are equal, half to each
    fmax       the same, but a number before a NaN
    clamp      x_out = x between two bounds     L^x = 1 between them; else g goes to the bound

All that is remembered is the choice, one byte an entry.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap
from ..core.arithmetic import added, keep
from ..core.bitmask import selected
from ..core.branch import broadcast_to, sum_to_size


class Where(Layer):
    autocast = "widest"
    letters = {"mask": "...", "a": "...", "b": "..."}

    @staticmethod
    def forward(mask, a, b):
        return torch.where(mask, a, b)

    @staticmethod
    def remember(needs, inputs, x_out):
        mask, a, b = inputs
        return mask, a.shape, b.shape, x_out.shape

    @staticmethod
    def backward(needs, g, mask, a_shape, b_shape, shape):
        mask = mask.expand(shape)
        return (
            None,
            sum_to_size(keep(g, mask), a_shape) if needs[1] else None,
            sum_to_size(keep(g, ~mask), b_shape) if needs[2] else None,
        )

    @staticmethod
    def jvp(tangents, mask, a, b):
        _, da, db = tangents
        shape = torch.broadcast_shapes(mask.shape, a.shape, b.shape)
        mask = mask.expand(shape)
        return added(
            None if da is None else keep(broadcast_to(da, shape), mask),
            None if db is None else keep(broadcast_to(db, shape), ~mask),
        )


class Halves(LinearMap):
    """x_out = x times 0, 1 or 2 halves: who has an equal shares with it."""

    @staticmethod
    def forward(x, halves):
        return selected(x * halves.to(x.dtype) * 0.5, halves.bool())

    @staticmethod
    def transpose(g, shape, halves):
        return Halves.of(g, halves)


class Larger(Layer):
    """By `choose`: `torch.maximum` or `torch.fmax`; with sign -1 the smaller, by `torch.minimum` or `torch.fmin`.

    Where one of them is NaN, both get g, as in PyTorch.
    """

    autocast = "widest"
    letters = {"a": "...", "b": "..."}

    @staticmethod
    def forward(a, b, choose, sign):
        return choose(a, b)

    @staticmethod
    def remember(needs, inputs, x_out):
        a, b, _, sign = inputs
        to_a, to_b = _halves(a, b, sign)
        return to_a if needs[0] else None, to_b if needs[1] else None, a.shape, b.shape

    @staticmethod
    def backward(needs, g, to_a, to_b, a_shape, b_shape):
        return (
            sum_to_size(Halves.of(g, to_a), a_shape) if needs[0] else None,
            sum_to_size(Halves.of(g, to_b), b_shape) if needs[1] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, a, b, choose, sign):
        return _moved(tangents[:2], _halves(a, b, sign))


def _moved(tangents: Sequence[Tensor | None], halves: Sequence[Tensor]) -> Tensor:
    return added(
        *(None if t is None else Halves.of(broadcast_to(t, h.shape), h) for t, h in zip(tangents, halves, strict=True))
    )


def _halves(a: Tensor, b: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    a, b = a.detach(), b.detach()
    less, more = (a < b, a > b) if sign > 0 else (a > b, a < b)
    most = 2 - (a == b).to(torch.uint8)
    return most * ~less, most * ~more


class Clamp(Layer):
    """Between two numbers, of which one may be None. At a bound PyTorch's derivative is 0."""

    letters = {"x": "..."}

    @staticmethod
    def forward(x, low, high):
        return x.clamp(low, high)

    @staticmethod
    def remember(needs, inputs, x_out):
        return (_between(*inputs),)

    @staticmethod
    def backward(needs, g, mask):
        return keep(g, mask), None, None

    @staticmethod
    def jvp(tangents, x, low, high):
        return keep(tangents[0], _between(x, low, high))


def _between(x: Tensor, low: float | None, high: float | None) -> Tensor:
    x = x.detach()
    if low is not None and high is not None:
        return (x > low) & (x < high)
    return x < high if low is None else x > low  # type: ignore[operator]


class ClampTo(Layer):
    """Between two tensors. Where they cross, x_out is the upper; where x is at one of them, the two share g."""

    autocast = "widest"
    letters = {"x": "...", "low": "...", "high": "..."}

    @staticmethod
    def forward(x, low, high):
        return x.clamp(low, high)

    @staticmethod
    def remember(needs, inputs, x_out):
        halves = _of_three(*inputs)
        return *(h if need else None for need, h in zip(needs, halves, strict=True)), *(t.shape for t in inputs)

    @staticmethod
    def backward(needs, g, to_x, to_low, to_high, *shapes):
        halves = (to_x, to_low, to_high)
        return tuple(
            sum_to_size(Halves.of(g, h), shape) if need else None
            for need, h, shape in zip(needs, halves, shapes, strict=True)
        )

    @staticmethod
    def jvp(tangents, x, low, high):
        return _moved(tangents, _of_three(x, low, high))


def _of_three(x: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, low, high = x.detach(), low.detach(), high.detach()
    under, over, crossed = x < low, x > high, low > high
    at_low, at_high = ((x == bound) & (low < high) for bound in (low, high))
    to_x = 2 * (~under & ~over).to(torch.uint8) - (at_low | at_high).to(torch.uint8)
    to_low = 2 * (under & (low <= high)).to(torch.uint8) + at_low
    to_high = 2 * ((over & (low <= high)) | crossed).to(torch.uint8) + at_high
    return to_x, to_low, to_high


def where(mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a where the bool mask is True, else b; they broadcast. As `torch.where`."""
    return Where.of(mask, a, b)


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """The larger of a and b, broadcast, as `torch.maximum`; equals share g."""
    return Larger.of(a, b, torch.maximum, 1)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """The smaller of a and b, broadcast, as `torch.minimum`; equals share g."""
    return Larger.of(a, b, torch.minimum, -1)


def fmax(a: Tensor, b: Tensor) -> Tensor:
    """The larger of a and b, broadcast, as `torch.fmax`: a NaN only where both are."""
    return Larger.of(a, b, torch.fmax, 1)


def fmin(a: Tensor, b: Tensor) -> Tensor:
    """The smaller of a and b, broadcast, as `torch.fmin`: a NaN only where both are."""
    return Larger.of(a, b, torch.fmin, -1)


def clamp(x: Tensor, low: float | Tensor | None = None, high: float | Tensor | None = None) -> Tensor:
    """x, not below `low` and not above `high`, as `torch.clamp`: two numbers or None, or two tensors or None."""
    if isinstance(low, Tensor) and isinstance(high, Tensor):
        return ClampTo.of(x, low, high)
    if isinstance(low, Tensor):
        return maximum(x, low)
    return minimum(x, high) if isinstance(high, Tensor) else Clamp.of(x, low, high)
