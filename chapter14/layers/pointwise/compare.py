"""Choices between values, entry by entry: in the backward pass, g goes to the input that x_out was taken from.

    where      x_out = a where m, else b        L^a = diag m             L^b = diag (1 - m)
    maximum    x_out = the larger of a, b       where they are equal, half to each
    fmax       the same, but a number before a NaN, and then all of g to the number
    clamp      x_out = x between two bounds     L^x = 1 between them; else L of the bound is 1

All that is remembered is the choice, one byte an entry.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .elementwise import Elementwise
from .piecewise import Clamp


class Where(Elementwise):
    letters = {"mask": "...", "a": "...", "b": "..."}
    opmath = None
    forward = staticmethod(torch.where)

    @staticmethod
    def kept(needs, mask, a, b):
        return (mask,)

    @staticmethod
    def partials(mask):
        return None, lambda: mask, lambda: ~mask


class Larger(Elementwise):
    """By `choose`: `torch.maximum` or `torch.fmax`; with sign -1 the smaller, by `torch.minimum` or `torch.fmin`.

    Where x_out of `maximum` is NaN, L^a = L^b = 1, as in PyTorch; that of `fmax` is the number, or a if neither is one.
    """

    opmath = None

    @staticmethod
    def forward(a, b, choose, sign):
        return choose(a, b)

    @staticmethod
    def kept(needs, a, b, choose, sign):
        a, b = a.detach(), b.detach()
        less, more = (a < b, a > b) if sign > 0 else (a > b, a < b)
        if choose in (torch.fmax, torch.fmin):
            less, more = less | a.isnan() & ~b.isnan(), more | b.isnan()
        halves = 2 - (a == b).to(torch.uint8)
        return halves * ~less if needs[0] else None, halves * ~more if needs[1] else None

    @staticmethod
    def partials(to_a, to_b):
        return lambda: to_a, lambda: to_b


class ClampTo(Elementwise):
    """Between two tensors. Where they cross, x_out is the upper; where x is at one of them, the two share g."""

    letters = {"x": "...", "low": "...", "high": "..."}
    opmath = None
    forward = staticmethod(torch.clamp)

    @staticmethod
    def kept(needs, x, low, high):
        x, low, high = x.detach(), low.detach(), high.detach()
        under, over, crossed = x < low, x > high, low > high
        at_low, at_high = ((x == bound) & (low < high) for bound in (low, high))
        to_x = 2 * (~under & ~over).to(torch.uint8) - (at_low | at_high).to(torch.uint8)
        to_low = 2 * (under & (low <= high)).to(torch.uint8) + at_low
        to_high = 2 * ((over & (low <= high)) | crossed).to(torch.uint8) + at_high
        return tuple(halves if need else None for need, halves in zip(needs, (to_x, to_low, to_high), strict=True))

    @staticmethod
    def partials(to_x, to_low, to_high):
        return lambda: to_x, lambda: to_low, lambda: to_high


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
