"""Functions of two tensors, entry by entry, which broadcast.

divide        a / b              L^a = 1 / b              L^b = -a / b²
raised        a^b                L^a = b a^(b-1)          L^b = a^b log a
atan2         the angle of b, a  L^a = b / (a² + b²)      L^b = -a / (a² + b²)
hypot         c = √(a² + b²)     L^a = a / c              L^b = b / c
logaddexp     log(e^a + e^b)     L^a = σ(a - b)           L^b = σ(b - a)
logaddexp2    the same of 2      L^a = σ((a - b) log 2)   L^b = σ((b - a) log 2)
xlogy         a log b            L^a = log b              L^b = a / b
xlog1py       a log(1 + b)       L^a = log(1 + b)         L^b = a / (1 + b)
lerp          a + w (b - a)      L^a = 1 - w              L^b = w              L^w = b - a
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...layer.base import LinearMap, cast
from ..core.arithmetic import added, keep, minus, plus, power, scale, shift, times
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conj
from .elementwise import Elementwise, as_torchs, layer_of_kernel
from .pointwise import PointwiseLayer, log, sigmoid
from .transcendental import log1p

Binary = Callable[[Tensor, Tensor], Tensor]


def declared(h: Callable, h_a: Binary, h_b: Binary, autocast: str = "widest") -> Binary:
    """h as a layer's function, by its two partial derivatives."""

    def partials(a, b):
        return lambda: h_a(a, b), lambda: h_b(a, b)

    def f(a: Tensor, b: Tensor) -> Tensor:
        return layer.of(*_of_one_kind(a, b))

    layer = layer_of_kernel(h, Elementwise, partials=partials, autocast=autocast)
    return as_torchs(h, f)


def _of_one_kind(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Integers get the dtype of a floating-point operand: in their own dtype, L would overflow or be rounded.

    Real numbers become complex if the other operand is: log -1 is NaN, or iπ."""
    return (a, b) if a.dtype == b.dtype else (_as_kind(a, b), _as_kind(b, a))


def _as_kind(x: Tensor, other: Tensor) -> Tensor:
    if x.is_complex() or not (other.is_floating_point() or other.is_complex()):
        return x
    if not x.is_floating_point():
        return x.to(other.dtype)
    return cast(x, x.dtype.to_complex()) if other.is_complex() else x


def _is_not_negative(x: Tensor) -> Tensor:
    return (x.real >= 0) & (x.imag == 0) if x.is_complex() else x >= 0


# a / b


class Divide(Elementwise):
    """d(a / b) = (da - (a / b) db) / b. Divided by b, and not times 1 / b, which would be rounded twice."""

    forward = staticmethod(torch.div)

    @staticmethod
    def kept(needs, a, b):
        return a if needs[1] else None, b

    @classmethod
    def backward(cls, needs, g, shapes, a, b):
        a_shape, b_shape = shapes or (g.shape, g.shape)
        return (
            sum_to_size(divide(g, conj(b)), a_shape) if needs[0] else None,
            sum_to_size(times(g, conj(scale(divide(divide(a, b), b), -1))), b_shape) if needs[1] else None,
        )

    @staticmethod
    def jvp(tangents, a, b):
        da, db = tangents
        return divide(added(da, None if db is None else times(db, scale(divide(a, b), -1))), b)


class DivideBy(LinearMap):
    """x_out = x / c, where c is a number: 1/c times x would be rounded twice."""

    @staticmethod
    def forward(x, c):
        return x / c

    @staticmethod
    def transpose(g, shape, c):
        return divide_by(g, c.conjugate())


def divide(a: Tensor, b: Tensor) -> Tensor:
    """a / b, entry by entry, broadcast, as `torch.div`."""
    return Divide.of(*_of_one_kind(a, b))


divide_by: Callable[[Tensor, float], Tensor] = DivideBy.of


# a^b. At a = 0 and at b = 0 the partial derivatives are limits, as in PyTorch


def _raised_a(a: Tensor, b: Tensor) -> Tensor:
    return keep(times(b, raised(a, shift(b, -1))), (b.detach() != 0).expand(torch.broadcast_shapes(a.shape, b.shape)))


def _raised_b(a: Tensor, b: Tensor) -> Tensor:
    return keep(times(raised(a, b), log(a)), ~((a.detach() == 0) & _is_not_negative(b.detach())))


raised: Binary = declared(torch.pow, _raised_a, _raised_b, "float32")


class Exponential(PointwiseLayer):
    """x_out = c^x, where c is a number. h' = c^x log c; for c = 0 it is 0 where x is not negative, and -∞ elsewhere."""

    autocast = "float32"

    @staticmethod
    def forward(x, c):
        return c**x

    @staticmethod
    def h_prime(x, c):
        if c == 0:
            x = x.detach()
            return torch.where(_is_not_negative(x), 0, -(c**x))
        if isinstance(c, complex) or x.is_complex():
            return scale(exponential(c, x), cmath.log(c))
        return scale(exponential(c, x), math.log(c) if c > 0 else math.nan)


def exponential(c: float, x: Tensor) -> Tensor:
    """c^x, where c is a number."""
    return Exponential.of(x, c)


def pow(input: Tensor, exponent: Tensor | float) -> Tensor:
    """input^exponent, entry by entry, broadcast, as `torch.pow`."""
    if isinstance(exponent, Tensor):
        return raised(input, exponent)
    return power(input, exponent)


# Functions of the plane. At the origin PyTorch's derivative is 0


def _inverse_square(a: Tensor, b: Tensor) -> Tensor:
    square = plus(times(a, a), times(b, b))
    return keep(power(square, -1), square.detach() != 0)


atan2: Binary = declared(
    torch.atan2,
    lambda a, b: times(b, _inverse_square(a, b)),
    lambda a, b: scale(times(a, _inverse_square(a, b)), -1),
)
hypot: Binary = declared(torch.hypot, lambda a, b: divide(a, hypot(a, b)), lambda a, b: divide(b, hypot(a, b)))

# Logarithms

logaddexp: Binary = declared(torch.logaddexp, lambda a, b: sigmoid(minus(a, b)), lambda a, b: sigmoid(minus(b, a)))
logaddexp2: Binary = declared(
    torch.logaddexp2,
    lambda a, b: sigmoid(scale(minus(a, b), math.log(2))),
    lambda a, b: sigmoid(scale(minus(b, a), math.log(2))),
)


def _log_b(log_b: Tensor, a: Tensor, in_domain: Tensor) -> Tensor:
    """log b; 0 where a is 0 and log b is -∞ or NaN, as x_out is there, whatever b is."""
    log_b = broadcast_to(log_b, torch.broadcast_shapes(a.shape, log_b.shape))
    return keep(log_b, ~(a.detach() == 0) | in_domain)


xlogy: Binary = declared(torch.xlogy, lambda a, b: _log_b(log(b), a, ~(b.detach() <= 0)), divide)
xlog1py: Binary = declared(
    torch.special.xlog1py,
    lambda a, b: _log_b(log1p(b), a, ~(b.detach() <= -1)),
    lambda a, b: divide(a, shift(b, 1)),
)

# Between a and b


class Lerp(Elementwise):
    letters = {"a": "...", "b": "...", "w": "..."}

    forward = staticmethod(torch.lerp)

    @staticmethod
    def partials(a, b, w):
        return lambda: shift(scale(w, -1), 1), lambda: w, lambda: minus(b, a)


#: From a, where w is 0, to b, where it is 1; broadcast, as `torch.lerp`.
lerp: Callable[[Tensor, Tensor, Tensor], Tensor] = Lerp.of
