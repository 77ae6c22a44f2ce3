"""The pixels around a point of an image, and their interpolation weights.

    u in [-1, 1] → place, in pixels → a few pixels around it, each with a weight w(u) and its derivative w'(u)

for each axis separately. The weight of a pixel of the image is the product of its weights along the axes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.arithmetic import plus, times
from ..core.arrange import reshape, take
from ..pointwise.pointwise import PointwiseLayer


class Reading(NamedTuple):
    """How an image is sampled, in torch's terms."""

    mode: str
    padding: str
    align_corners: bool


class LinearPiece(PointwiseLayer):
    """A linear piece of a function of u: x_out and the slope are given."""

    opmath = None

    @staticmethod
    def forward(u, x_out, slope):
        return x_out.clone()

    @staticmethod
    def remember(needs, inputs, x_out):
        return None, None, inputs[2]

    @staticmethod
    def h_prime(u, x_out, slope):
        return slope


class Taps(NamedTuple):
    """The K pixels along one axis, `at` [B, K, P]. Their weights are polynomials in t [B, 1, P].

    t is the fractional part of the place, a function of u with `slope`; c are the coefficients.
    """

    at: Tensor
    t: Tensor
    slope: Tensor
    c: Sequence[Sequence[float]]

    def w(self) -> Tensor:
        return _polynomials(self.c, self.t)

    def w_prime(self) -> Tensor:
        """dw/du."""
        return times(_polynomials([_derivative(c) for c in self.c], self.t), self.slope)


class Corners(NamedTuple):
    """The K pixels of the image around each point: `at` [B, K, P], their indices in the flattened image.

    Pixels outside the image have the number of pixels as their index.
    """

    at: Tensor
    taps: list[Taps]

    def w(self) -> Tensor:
        """Their weights, [B, K, P]."""
        return functools.reduce(_times, [taps.w() for taps in self.taps])

    def w_prime(self) -> list[Tensor]:
        """dw/du, for the u of each axis."""
        every = range(len(self.taps))
        return [
            functools.reduce(_times, [self.taps[k].w_prime() if k == d else self.taps[k].w() for k in every])
            for d in every
        ]


def by_axis(grid: Tensor) -> list[Tensor]:
    """[B, P, axes] → [B, 1, P] for each axis."""
    B, P, axes = grid.shape
    index = torch.arange(axes, device=grid.device)
    return [reshape(take(grid, index[k : k + 1], -1), (B, 1, P)) for k in range(axes)]


def corners(grid: Tensor, size: Sequence[int], reading: Reading) -> Corners:
    """The pixels of an image of `size` around the points grid [B, P, axes], in torch's order: x, y, z."""
    taps = [_taps(u, n, reading) for u, n in zip(by_axis(grid), reversed(size), strict=True)]
    at, there = (torch.full_like(taps[0].t, i, dtype=dtype) for i, dtype in ((0, torch.long), (1, torch.bool)))
    stride = 1
    for tap, n in zip(taps, reversed(size), strict=True):
        at = torch.add(*_of_each_two(at, tap.at.long() * stride)).flatten(1, 2)
        there = torch.bitwise_and(*_of_each_two(there, (tap.at >= 0) & (tap.at < n))).flatten(1, 2)
        stride *= n
    return Corners(torch.where(there, at, stride), taps)


def _of_each_two(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a and b with axes to broadcast over each other: [B, K, 1, P], [B, 1, M, P]."""
    return reshape(a, (*a.shape[:2], 1, a.shape[2])), reshape(b, (b.shape[0], 1, *b.shape[1:]))


def _times(a: Tensor, b: Tensor) -> Tensor:
    return reshape(times(*_of_each_two(a, b)), (a.shape[0], a.shape[1] * b.shape[1], a.shape[2]))


def _taps(u: Tensor, n: int, reading: Reading) -> Taps:
    v = u.detach()
    place = (v + 1) / 2 * (n - 1) if reading.align_corners else ((v + 1) * n - 1) / 2
    slope = torch.full_like(v, (n - 1) / 2 if reading.align_corners else n / 2)
    if reading.mode != "bicubic":
        place, sign = onto(place, n, reading)
        slope = slope * sign
    place = torch.where(place.abs() < 2**31, place, -100)  # so far outside, or NaN: as torch does
    low = place.round() if reading.mode == "nearest" else place.floor()
    c = _WEIGHTS[reading.mode]
    at = low + torch.arange(len(c), dtype=low.dtype, device=low.device)[:, None]
    if reading.mode == "bicubic":
        at = onto(at - 1, n, reading)[0]
    return Taps(at, LinearPiece.of(u, place - low, slope), slope, c)


def onto(place: Tensor, n: int, reading: Reading) -> tuple[Tensor, Tensor]:
    """A place, moved onto the image of n pixels where it is outside; and the slope of that: 1, 0 or -1."""
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


#: The weights of the pixels, as polynomials in t, lowest power first; bicubic's at -1, 0, 1, 2, with a = -3/4.
_WEIGHTS = {
    "nearest": ((1,),),
    "bilinear": ((1, -1), (0, 1)),
    "bicubic": ((0, -0.75, 1.5, -0.75), (1, 0, -2.25, 1.25), (0, 0.75, 1.5, -1.25), (0, 0, -0.75, 0.75)),
}


def _polynomials(c: Sequence[Sequence[float]], t: Tensor) -> Tensor:
    """c [K, powers] of t [B, 1, P] → [B, K, P], by Horner's rule."""
    *lower, highest = torch.tensor(c, dtype=t.dtype, device=t.device)[..., None].unbind(1)
    x_out = highest.expand(t.shape[0], -1, t.shape[2])
    for factor in reversed(lower):
        x_out = plus(times(x_out, t), factor)
    return x_out


def _derivative(c: Sequence[float]) -> list[float]:
    return [k * factor for k, factor in enumerate(c)][1:] or [0]
