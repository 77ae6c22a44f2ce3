"""Division with a remainder, entry by entry, broadcast.

    divide_rounded    q = ⌊a / b⌋       steps: L^a = L^b = 0
    remainder         x_out = a - b q   L^a = 1,  L^b = -q

⌊ ⌋ rounds down ("floor", as Python does) or towards 0 ("trunc", as C does).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.arithmetic import scale
from .elementwise import Elementwise


class Remainder(Elementwise):
    opmath = None

    @staticmethod
    def forward(a, b, rounding):
        return torch.remainder(a, b) if rounding == "floor" else torch.fmod(a, b)

    @staticmethod
    def kept(needs, a, b, rounding):
        return (torch.div(a.detach(), b.detach(), rounding_mode=rounding) if needs[1] else None,)

    @staticmethod
    def partials(q):
        return lambda: 1, lambda: scale(q, -1)


class DivideRounded(Elementwise):
    opmath = None

    @staticmethod
    def forward(a, b, rounding):
        return torch.div(a, b, rounding_mode=rounding)

    @staticmethod
    def kept(needs, a, b, rounding):
        return ()

    @staticmethod
    def partials():
        return lambda: 0, lambda: 0


def divide_rounded(a: Tensor, b: Tensor, rounding: str) -> Tensor:
    """a / b, rounded down ("floor") or towards 0 ("trunc"), broadcast, as `torch.div` with a `rounding_mode`."""
    return DivideRounded.of(a, b, rounding)


def remainder(a: Tensor, b: Tensor, rounding: str = "floor") -> Tensor:
    """What a / b leaves when it is rounded, broadcast: `torch.remainder`; with "trunc", `torch.fmod`."""
    return Remainder.of(a, b, rounding)
