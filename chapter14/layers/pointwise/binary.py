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

Each L is a diagonal, over the shape that a and b broadcast to; `sum_to_size` adds up what was spread (section 14.7).
"""

from __future__ import annotations

import cmath
import math

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap, cast
from ..core.arithmetic import added, keep, minus, plus, power, scale, shift, times
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conj
from .pointwise import log, sigmoid
from .transcendental import log1p


class Binary(Layer):
    """A subclass says h and its two derivatives; all take a, b and the constants."""

    autocast = "widest"
    letters = {"a": "...", "b": "..."}
    opmath = "derivatives"

    @staticmethod
    def h_a(a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def h_b(a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError

    @classmethod
    def backward(cls, needs, g, a, b):
        return (
            sum_to_size(times(g, conj(cls.h_a(a, b))), a.shape) if needs[0] else None,
            sum_to_size(times(g, conj(cls.h_b(a, b))), b.shape) if needs[1] else None,
        )

    @classmethod
    def jvp(cls, tangents, a, b):
        da, db = tangents
        return added(
            None if da is None else times(da, cls.h_a(a, b)),
            None if db is None else times(db, cls.h_b(a, b)),
        )


class Divide(Binary):
    @staticmethod
    def forward(a, b):
        return a / b

    @staticmethod
    def remember(needs, inputs, x_out):
        a, b = inputs
        return a if needs[1] else None, b, a.shape

    @staticmethod
    def backward(needs, g, a, b, a_shape):
        return (
            sum_to_size(divide(g, conj(b)), a_shape) if needs[0] else None,
            sum_to_size(times(g, conj(Divide.h_b(a, b))), b.shape) if needs[1] else None,
        )

    @staticmethod
    def jvp(tangents, a, b):
        da, db = tangents
        return divide(added(da, None if db is None else times(db, scale(divide(a, b), -1))), b)

    @staticmethod
    def h_b(a, b):
        return scale(divide(divide(a, b), b), -1)


class DivideBy(LinearMap):
    """x_out = x / c, where c is a number: 1/c times x would be rounded twice."""

    @staticmethod
    def forward(x, c):
        return x / c

    @staticmethod
    def transpose(g, shape, c):
        return divide_by(g, c.conjugate())


class Raised(Binary):
    """0 where b is 0, for L^a, and where a is 0 and b is not negative, for L^b: limits, as PyTorch has them."""

    autocast = "float32"

    @staticmethod
    def forward(a, b):
        return a**b

    @staticmethod
    def h_a(a, b):
        return keep(
            times(b, raised(a, shift(b, -1))), (b.detach() != 0).expand(torch.broadcast_shapes(a.shape, b.shape))
        )

    @staticmethod
    def h_b(a, b):
        return keep(times(raised(a, b), log(a)), ~((a.detach() == 0) & _not_negative(b.detach())))


def _not_negative(x: Tensor) -> Tensor:
    return (x.real >= 0) & (x.imag == 0) if x.is_complex() else x >= 0


class Exponential(Layer):
    """x_out = c^x, where c is a number. h' = c^x log c; for c = 0 it is 0 where x is not negative, and -∞ elsewhere."""

    autocast = "float32"
    opmath = "derivatives"

    @staticmethod
    def forward(c, x):
        return c**x

    @staticmethod
    def h_prime(c, x):
        if c == 0:
            x = x.detach()
            return torch.where(_not_negative(x), 0, -(c**x))
        if isinstance(c, complex) or x.is_complex():
            return scale(exponential(c, x), cmath.log(c))
        return scale(exponential(c, x), math.log(c) if c > 0 else math.nan)

    @staticmethod
    def backward(needs, g, c, x):
        return None, times(g, conj(Exponential.h_prime(c, x)))

    @staticmethod
    def jvp(tangents, c, x):
        return times(tangents[1], Exponential.h_prime(c, x))


class Atan2(Binary):
    """At the origin there is no angle, and PyTorch's derivative is 0."""

    @staticmethod
    def forward(a, b):
        return torch.atan2(a, b)

    @staticmethod
    def h_a(a, b):
        return times(b, Atan2._inverse_square(a, b))

    @staticmethod
    def h_b(a, b):
        return scale(times(a, Atan2._inverse_square(a, b)), -1)

    @staticmethod
    def _inverse_square(a, b):
        square = plus(times(a, a), times(b, b))
        return keep(power(square, -1), square.detach() != 0)


class Hypot(Binary):
    @staticmethod
    def forward(a, b):
        return torch.hypot(a, b)

    @staticmethod
    def h_a(a, b):
        return divide(a, hypot(a, b))

    @staticmethod
    def h_b(a, b):
        return divide(b, hypot(a, b))


class LogAddExp(Binary):
    @staticmethod
    def forward(a, b):
        return torch.logaddexp(a, b)

    @staticmethod
    def h_a(a, b):
        return sigmoid(minus(a, b))

    @staticmethod
    def h_b(a, b):
        return sigmoid(minus(b, a))


class LogAddExp2(Binary):
    @staticmethod
    def forward(a, b):
        return torch.logaddexp2(a, b)

    @staticmethod
    def h_a(a, b):
        return sigmoid(scale(minus(a, b), math.log(2)))

    @staticmethod
    def h_b(a, b):
        return sigmoid(scale(minus(b, a), math.log(2)))


class XLogY(Binary):
    """L^a is 0 where a is 0 and log b is none: there x_out is 0 whatever b is."""

    @staticmethod
    def forward(a, b):
        return torch.xlogy(a, b)

    @staticmethod
    def h_a(a, b):
        log_b = broadcast_to(log(b), torch.broadcast_shapes(a.shape, b.shape))
        return keep(log_b, ~((a.detach() == 0) & (b.detach() <= 0)))

    @staticmethod
    def h_b(a, b):
        return divide(a, b)


class XLog1PY(Binary):
    title = "xlog1py"

    @staticmethod
    def forward(a, b):
        return torch.special.xlog1py(a, b)

    @staticmethod
    def h_a(a, b):
        log_b = broadcast_to(log1p(b), torch.broadcast_shapes(a.shape, b.shape))
        return keep(log_b, ~((a.detach() == 0) & (b.detach() <= -1)))

    @staticmethod
    def h_b(a, b):
        return divide(a, shift(b, 1))


def _of_one_kind(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers beside others become such: in their own dtype, what L is made of would overflow, or be rounded.
    Real numbers beside complex ones become complex: log -1 is NaN, or iπ."""
    return (a, b) if a.dtype == b.dtype else (_as_kind(a, b), _as_kind(b, a))


def _as_kind(x: Tensor, other: Tensor) -> Tensor:
    if x.is_complex() or not (other.is_floating_point() or other.is_complex()):
        return x
    if not x.is_floating_point():
        return x.to(other.dtype)
    return cast(x, x.dtype.to_complex()) if other.is_complex() else x


class Lerp(Layer):
    autocast = "widest"
    letters = {"a": "...", "b": "...", "w": "..."}

    @staticmethod
    def forward(a, b, w):
        return torch.lerp(a, b, w)

    @staticmethod
    def backward(needs, g, a, b, w):
        return (
            sum_to_size(times(g, shift(scale(w, -1), 1)), a.shape) if needs[0] else None,
            sum_to_size(times(g, w), b.shape) if needs[1] else None,
            sum_to_size(times(g, minus(b, a)), w.shape) if needs[2] else None,
        )

    @staticmethod
    def jvp(tangents, a, b, w):
        da, db, dw = tangents
        return added(
            None if da is None else times(da, shift(scale(w, -1), 1)),
            None if db is None else times(db, w),
            None if dw is None else times(dw, minus(b, a)),
        )


def divide(a: Tensor, b: Tensor) -> Tensor:
    """a / b, entry by entry, broadcast, as `torch.div`."""
    return Divide.of(*_of_one_kind(a, b))


def divide_by(x: Tensor, c: float) -> Tensor:
    """x / c, where c is a number."""
    return DivideBy.of(x, c)


def raised(a: Tensor, b: Tensor) -> Tensor:
    """a^b, entry by entry, broadcast."""
    return Raised.of(*_of_one_kind(a, b))


def exponential(c: float, x: Tensor) -> Tensor:
    """c^x, where c is a number."""
    return Exponential.of(c, x)


def pow(input: Tensor, exponent: Tensor | float) -> Tensor:
    """input^exponent, entry by entry, broadcast, as `torch.pow`."""
    if isinstance(exponent, Tensor):
        return raised(input, exponent)
    return power(input, exponent)


def atan2(a: Tensor, b: Tensor) -> Tensor:
    """The angle of the point (b, a), broadcast, as `torch.atan2`."""
    return Atan2.of(*_of_one_kind(a, b))


def hypot(a: Tensor, b: Tensor) -> Tensor:
    """√(a² + b²), broadcast, as `torch.hypot`."""
    return Hypot.of(*_of_one_kind(a, b))


def logaddexp(a: Tensor, b: Tensor) -> Tensor:
    """log(exp(a) + exp(b)), broadcast, as `torch.logaddexp`."""
    return LogAddExp.of(*_of_one_kind(a, b))


def logaddexp2(a: Tensor, b: Tensor) -> Tensor:
    """log2(2^a + 2^b), broadcast, as `torch.logaddexp2`."""
    return LogAddExp2.of(a, b)


def lerp(a: Tensor, b: Tensor, w: Tensor) -> Tensor:
    """From a, where w is 0, to b, where it is 1; broadcast, as `torch.lerp`."""
    return Lerp.of(a, b, w)


def xlogy(a: Tensor, b: Tensor) -> Tensor:
    """a log b, and 0 where a is 0, broadcast, as `torch.xlogy`."""
    return XLogY.of(*_of_one_kind(a, b))


def xlog1py(a: Tensor, b: Tensor) -> Tensor:
    """a log(1 + b), and 0 where a is 0, broadcast, as `torch.special.xlog1py`."""
    return XLog1PY.of(*_of_one_kind(a, b))
