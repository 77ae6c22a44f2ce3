"""Where an image is read at places between its pixels: what is read there, and with which weight.

    u in [-1, 1] → place, in pixels → a few pixels around it, each with a weight w(u) and its derivative w'(u)

of each axis on its own. A pixel of the image is one of each axis; its weight is the product of theirs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..layer import Layer
from .arithmetic import scale, shift, times
from .arrange import reshape, take


class Reading(NamedTuple):
    """How a place is read: torch's own words for it."""

    mode: str
    padding: str
    align_corners: bool


class Piece(Layer):
    """One straight piece of a function of u, of which x_out and the slope are known. L = diag slope."""

    @staticmethod
    def forward(u, x_out, slope):
        return x_out.clone()

    @staticmethod
    def remember(needs, inputs, x_out):
        return (inputs[2],)

    @staticmethod
    def backward(needs, g, slope):
        return times(g, slope), None, None

    @staticmethod
    def jvp(tangents, u, x_out, slope):
        return times(tangents[0], slope)


class Tap(NamedTuple):
    """A pixel of one axis: which, [B, P], its weight, and the weight's derivative by u."""

    at: Tensor
    w: Tensor
    w_prime: Tensor


class Corner(NamedTuple):
    """A pixel of the image, by its place in memory, [B, P]; whether it is there; its weight, and that by each u."""

    at: Tensor
    there: Tensor
    w: Tensor
    w_prime: list[Tensor]


def corners(grid: Tensor, size: Sequence[int], reading: Reading) -> list[Corner]:
    """The pixels that an image of `size` is read at, for grid [B, P, axes] in torch's order: x, y, z."""
    B, P, axes = grid.shape
    index = torch.arange(axes, device=grid.device)
    us = [reshape(take(grid, index[k : k + 1], -1), (B, P)) for k in range(axes)]
    taps = [_taps(u, n, reading) for u, n in zip(us, reversed(size), strict=True)]
    return [_corner(of_each, size) for of_each in itertools.product(*taps)]


def _corner(taps: Sequence[Tap], size: Sequence[int]) -> Corner:
    at, stride = torch.zeros_like(taps[0].at, dtype=torch.long), 1
    there = torch.ones_like(at, dtype=torch.bool)
    for tap, n in zip(taps, reversed(size), strict=True):
        inside = (tap.at >= 0) & (tap.at < n)
        there = there & inside
        at = at + torch.where(inside, tap.at, 0).long() * stride
        stride *= n
    primes = [_product([t.w_prime if k == d else t.w for k, t in enumerate(taps)]) for d in range(len(taps))]
    return Corner(at, there, _product([t.w for t in taps]), primes)


def _product(factors: Sequence[Tensor]) -> Tensor:
    x_out = factors[0]
    for factor in factors[1:]:
        x_out = times(x_out, factor)
    return x_out


def _taps(u: Tensor, n: int, reading: Reading) -> list[Tap]:
    c = u.detach()
    place = (c + 1) / 2 * (n - 1) if reading.align_corners else ((c + 1) * n - 1) / 2
    slope = torch.full_like(c, (n - 1) / 2 if reading.align_corners else n / 2)
    if reading.mode != "bicubic":
        place, sign = onto(place, n, reading)
        slope = slope * sign
    place = torch.where(place.abs() < 2**31, place, -100)  # so far outside, or no number, as torch has it
    if reading.mode == "nearest":
        return [Tap(place.round(), torch.ones_like(place), torch.zeros_like(place))]
    low = place.floor()
    t = Piece.of(u, place - low, slope)
    if reading.mode == "bilinear":
        return [Tap(low, shift(scale(t, -1), 1), -slope), Tap(low + 1, t, slope)]
    return [
        Tap(onto(low + k, n, reading)[0], _polynomial(w, t), times(_polynomial(_derivative(w), t), slope))
        for k, w in enumerate(_CUBIC, -1)
    ]


def onto(place: Tensor, n: int, reading: Reading) -> tuple[Tensor, Tensor]:
    """A place beyond the border, brought onto the image of n pixels; and the slope of that: 1, 0 or -1."""
    sign = torch.ones_like(place)
    if reading.padding == "reflection":
        low, high = (0, n - 1) if reading.align_corners else (-0.5, n - 0.5)
        span = high - low
        if span == 0:
            return torch.zeros_like(place), torch.zeros_like(place)
        away = (place - low).abs()
        back = (away / span).floor() % 2 == 1
        extra = away % span
        sign = torch.where(place < low, -1.0, 1.0).to(place.dtype) * torch.where(back, -1.0, 1.0).to(place.dtype)
        place = torch.where(back, span - extra, extra) + low
    if reading.padding != "zeros":
        sign = sign * ((place > 0) & (place < n - 1))
        place = torch.where(place > 0, place, 0).clamp(max=n - 1)
    return place, sign


#: Bicubic: the weights of the pixels at -1, 0, 1 and 2, as polynomials in t, lowest power first; a = -3/4.
_CUBIC = (0, -0.75, 1.5, -0.75), (1, 0, -2.25, 1.25), (0, 0.75, 1.5, -1.25), (0, 0, -0.75, 0.75)


def _polynomial(c: Sequence[float], t: Tensor) -> Tensor:
    x_out = scale(t, c[-1])
    for k, factor in enumerate(reversed(c[:-1])):
        x_out = shift(x_out, factor)
        x_out = x_out if k == len(c) - 2 else times(x_out, t)
    return x_out


def _derivative(c: Sequence[float]) -> list[float]:
    return [k * factor for k, factor in enumerate(c)][1:]
