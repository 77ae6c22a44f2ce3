"""Division with a remainder, entry by entry, broadcast.

    divide_rounded    q = ⌊a / b⌋       steps: L = 0
    remainder         x_out = a - b q   L^a = 1,  L^b = -q

⌊ ⌋ rounds down ("floor", as Python does) or towards 0 ("trunc", as C does).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import added, scale, times
from ..core.branch import broadcast_to, sum_to_size


class Remainder(Layer):
    """`rounding` is "floor", as for Python's %, or "trunc", as for C's."""

    autocast = "widest"
    letters = {"a": "...", "b": "..."}

    @staticmethod
    def forward(a, b, rounding):
        return torch.remainder(a, b) if rounding == "floor" else torch.fmod(a, b)

    @staticmethod
    def remember(needs, inputs, x_out):
        a, b, rounding = inputs
        return _whole(a, b, rounding) if needs[1] else None, a.shape, b.shape

    @staticmethod
    def backward(needs, g, whole, a_shape, b_shape):
        return (
            sum_to_size(g, a_shape) if needs[0] else None,
            scale(sum_to_size(times(g, whole), b_shape), -1) if needs[1] else None,
            None,
        )

    @staticmethod
    def jvp(tangents, a, b, rounding):
        da, db, _ = tangents
        shape = torch.broadcast_shapes(a.shape, b.shape)
        return added(
            None if da is None else broadcast_to(da, shape),
            None if db is None else scale(times(db, _whole(a, b, rounding)), -1),
        )


def _whole(a: Tensor, b: Tensor, rounding: str) -> Tensor:
    return torch.div(a.detach(), b.detach(), rounding_mode=rounding)


class DivideRounded(Layer):
    """a / b, rounded: steps, so L is 0."""

    autocast = "widest"
    letters = {"a": "...", "b": "..."}

    @staticmethod
    def forward(a, b, rounding):
        return torch.div(a, b, rounding_mode=rounding)

    @staticmethod
    def remember(needs, inputs, x_out):
        return inputs[0].shape, inputs[1].shape

    @staticmethod
    def backward(needs, g, *shapes):
        return *(g.new_zeros(shape) if need else None for need, shape in zip(needs[:2], shapes, strict=True)), None

    @staticmethod
    def jvp(tangents, a, b, rounding):
        return torch.zeros_like(torch.div(a.detach(), b.detach()))


def divide_rounded(a: Tensor, b: Tensor, rounding: str) -> Tensor:
    """a / b, rounded down ("floor") or towards 0 ("trunc"), broadcast, as `torch.div` with a `rounding_mode`."""
    return DivideRounded.of(a, b, rounding)


def remainder(a: Tensor, b: Tensor, rounding: str = "floor") -> Tensor:
    """What a / b leaves when it is rounded, broadcast: `torch.remainder`; with "trunc", `torch.fmod`."""
    return Remainder.of(a, b, rounding)
