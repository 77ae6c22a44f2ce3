"""Pointwise layers (section 14.6.2).

    x_out = [h(x_in[0]), ..., h(x_in[N-1])]
    L^x   = diag h'(x_in) = H'                     (14.30)
    g_in  = g_out H', entry by entry g_out h'      (14.31), (14.33)

Each layer is its h and its h'. h' is written with layers, so h'' and all that follow are by hand too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import keep, minus, numbers, plus, power, scale, shift, times
from ..core.complex import conj, real_dtype


class PointwiseLayer(Layer):
    """g_in = g_out h'(x_in), and the same from the right. A subclass says h and h'; both take x and the constants.

    Of complex x, h' is the derivative of h, and g_in is g_out times its conjugate, as autograd has it.
    """

    letters = {"x": "..."}
    opmath: ClassVar[str | None] = "derivatives"

    @staticmethod
    def h_prime(x: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @classmethod
    def backward(cls, needs, g, x, *constants):
        return times(g, conj(cls.h_prime(x, *constants))), *(None for _ in constants)

    @classmethod
    def jvp(cls, tangents, x, *constants):
        return times(tangents[0], cls.h_prime(x, *constants))

    @classmethod
    def L(cls, x, *constants):
        return (torch.diag(cls.h_prime(x, *constants).flatten()),)  # H', (14.30)


class ByItsOutput(PointwiseLayer):
    """Where x_out = h(x_in) says what h' is, `h_prime` takes that: it is remembered, as the layer behind may do too.

    It is x_out itself, which autograd hands back with its own derivative; x_out.detach() would be a constant.
    """

    @classmethod
    def remember(cls, needs, inputs, x_out):
        return (x_out,)

    @classmethod
    def jvp(cls, tangents, x):
        return times(tangents[0], cls.h_prime(cls.of(x)))


class Pointwise(PointwiseLayer):
    """A user's own pair of h and h'."""

    @staticmethod
    def forward(x, h, h_prime):
        return h(x)

    @staticmethod
    def h_prime(x, h, h_prime):
        return h_prime(x)


class Exp(ByItsOutput):
    """h' = h."""

    autocast = "float32"

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def h_prime(h):
        return h


class Log(PointwiseLayer):
    autocast = "float32"

    @staticmethod
    def forward(x):
        return x.log()

    @staticmethod
    def h_prime(x):
        return power(x, -1)


class Erf(PointwiseLayer):
    """h' = 2/√π exp(-x²)."""

    @staticmethod
    def forward(x):
        return x.erf()

    @staticmethod
    def h_prime(x):
        return scale(exp(scale(times(x, x), -1)), 2 / math.sqrt(math.pi))


class Abs(PointwiseLayer):
    """h' = sign x. Of complex x, d|x| is the real part of (x / |x|)* dx."""

    opmath = None  # its h' is exact in any dtype

    @staticmethod
    def forward(x):
        return x.abs()

    @staticmethod
    def h_prime(x):
        return conj(sign(x))


class Sigmoid(ByItsOutput):
    """h' = h (1 - h)."""

    @staticmethod
    def forward(x):
        return x.sigmoid()

    @staticmethod
    def h_prime(h):
        return minus(h, times(h, h))

    @staticmethod
    def backward_once(needs, g, h):
        return (torch.addcmul(h, h, h, value=-1).mul_(g),)


class Tanh(ByItsOutput):
    """h' = 1 - h²."""

    @staticmethod
    def forward(x):
        return x.tanh()

    @staticmethod
    def h_prime(h):
        return shift(scale(times(h, h), -1), 1)

    @staticmethod
    def backward_once(needs, g, h):
        return (torch.mul(h, h).neg_().add_(1).mul_(g),)


def exp(x: Tensor) -> Tensor:
    """exp(x), entry by entry, as `torch.exp`."""
    return Exp.of(x)


def log(x: Tensor) -> Tensor:
    """The natural logarithm, entry by entry, as `torch.log`."""
    return Log.of(x)


def erf(x: Tensor) -> Tensor:
    """The error function, entry by entry, as `torch.erf`."""
    return Erf.of(x)


def absolute(x: Tensor) -> Tensor:
    """|x|, entry by entry, as `torch.abs`; h'(0) = 0."""
    return Abs.of(x)


def sign(x: Tensor) -> Tensor:
    """x / |x|, and 0 where x is 0, as `torch.sgn`; of real x it has no derivative."""
    if not x.is_complex():
        return x.detach().sign()
    there = x.detach() != 0
    return times(x, keep(power(plus(absolute(x), numbers(~there, real_dtype(x))), -1), there))


def pointwise(x: Tensor, h: Callable[[Tensor], Tensor], h_prime: Callable[[Tensor], Tensor]) -> Tensor:
    """Any h with its h', (14.30). Written with the functions of `chapter14.functional`,
    h' has derivatives by hand too."""
    return Pointwise.of(x, h, h_prime)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), as `torch.nn.functional.sigmoid`."""
    return Sigmoid.of(input)


def tanh(input: Tensor) -> Tensor:
    """As `torch.nn.functional.tanh`."""
    return Tanh.of(input)
