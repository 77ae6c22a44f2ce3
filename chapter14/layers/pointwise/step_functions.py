"""Steps, entry by entry: h' = 0, or 1, wherever there is an h', and PyTorch has the same at the steps.

flat         sign, floor, ceil, round, trunc     h' = 0
frac         x - trunc(x)                        h' = 1
copysign     |a| with the sign of b              L^a = 1 or -1, and 0 where a is 0;  L^b = 0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..core.linear_maps import IdentityMap
from .elementwise import Elementwise
from .pointwise import PointwiseLayer


class Flat(PointwiseLayer):
    """A step function, such as sign or round."""

    opmath = None
    L: ClassVar[Any] = None

    @staticmethod
    def forward(x, h):
        return h(x)

    @staticmethod
    def remember(needs, inputs, x_out):
        return ()

    @staticmethod
    def h_prime():
        return 0


#: h(x), entry by entry, for an h made of steps.
flat: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor] = Flat.of


class Frac(IdentityMap):
    forward = staticmethod(torch.frac)


def frac(x: Tensor) -> Tensor:
    """The fractional part, as `torch.frac`."""
    return Frac.of(x)


class CopySign(Elementwise):
    opmath = None
    forward = staticmethod(torch.copysign)

    @staticmethod
    def kept(needs, a, b):
        a = a.detach()
        return ((torch.copysign(a, b.detach()) / a).masked_fill(a == 0, 0),)

    @staticmethod
    def partials(sign):
        return lambda: sign, lambda: 0


def copysign(a: Tensor, b: Tensor) -> Tensor:
    """|a| with the sign of b, broadcast, as `torch.copysign`."""
    return CopySign.of(a, b)
