"""Steps, entry by entry: h' = 0, or 1, wherever h has a slope, and PyTorch says so of the edges too.

flat         sign, floor, ceil, round, trunc     h' = 0
frac         x - trunc(x)                        h' = 1
copysign     |a| with the sign of b              h' = 1 or -1, and 0 where a is 0
nan_to_num   x, or a number for what is none     h' = 1 where x is finite
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap
from ...layer.shape import check_real
from ..core.arithmetic import keep, scale, times
from ..core.branch import sum_to_size


class Flat(Layer):
    """A step function, as sign or round: h' = 0 wherever it has one, and PyTorch says 0 elsewhere too."""

    @staticmethod
    def forward(x, h):
        return h(x)

    @staticmethod
    def remember(needs, inputs, x_out):
        return ()

    @staticmethod
    def backward(needs, g):
        return torch.zeros_like(g), None

    @staticmethod
    def jvp(tangents, x, h):
        return torch.zeros_like(tangents[0])


def flat(x: Tensor, h: Callable[[Tensor], Tensor]) -> Tensor:
    """h(x), entry by entry, for an h made of steps."""
    return Flat.of(x, h)


class Frac(LinearMap):
    """x_out = x - trunc(x): slope 1 wherever it has one."""

    @staticmethod
    def forward(x):
        return x.frac()

    @staticmethod
    def transpose(g, shape):
        return g

    @staticmethod
    def jvp(tangents, x):
        return scale(tangents[0], 1)


def frac(x: Tensor) -> Tensor:
    """What is behind the point, as `torch.frac`."""
    return Frac.of(x)


class NanToNum(Layer):
    """NaN and infinities replaced by numbers, through which no gradient comes."""

    title = "nan_to_num"

    @staticmethod
    def forward(x, nan, posinf, neginf):
        return x.nan_to_num(nan, posinf, neginf)

    @staticmethod
    def remember(needs, inputs, x_out):
        return (inputs[0].detach().isfinite(),)

    @staticmethod
    def backward(needs, g, finite):
        return keep(g, finite), None, None, None

    @staticmethod
    def jvp(tangents, x, *constants):
        return keep(tangents[0], x.detach().isfinite())


def nan_to_num(x: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with its NaN and infinities replaced, as `torch.nan_to_num`."""
    check_real("nan_to_num", x=x)
    return NanToNum.of(x, nan, posinf, neginf)


class CopySign(Layer):
    """Through b nothing comes back."""

    autocast = "widest"
    letters = {"a": "...", "b": "..."}

    @staticmethod
    def forward(a, b):
        return torch.copysign(a, b)

    @staticmethod
    def remember(needs, inputs, x_out):
        a, b = inputs
        return _turn(a, b), a.shape, b.shape

    @staticmethod
    def backward(needs, g, turn, a_shape, b_shape):
        return (
            sum_to_size(times(g, turn), a_shape) if needs[0] else None,
            g.new_zeros(b_shape) if needs[1] else None,
        )

    @staticmethod
    def jvp(tangents, a, b):
        turn = _turn(a, b)
        return torch.zeros_like(turn) if tangents[0] is None else times(tangents[0], turn)


def _turn(a: Tensor, b: Tensor) -> Tensor:
    """1 or -1, and 0 where a is 0."""
    a = a.detach()
    return (torch.copysign(a, b.detach()) / a).masked_fill(a == 0, 0)


def copysign(a: Tensor, b: Tensor) -> Tensor:
    """|a| with the sign of b, broadcast, as `torch.copysign`."""
    return CopySign.of(a, b)
