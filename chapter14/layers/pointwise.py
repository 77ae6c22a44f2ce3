"""Pointwise layers (section 14.6.2).

    x_out = [h(x_in[0]), ..., h(x_in[N-1])]
    L^x   = diag h'(x_in) = H'                     (14.30)
    g_in  = g_out H', entry by entry g_out h'      (14.31), (14.33)

Each layer is its h and its h'. h' is written with layers, so h'' and all that follow are by hand too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..layer import Layer
from .arithmetic import minus, power, scale, shift, times


class PointwiseLayer(Layer):
    """g_in = g_out h'(x_in), and the same from the right. A subclass says h and h'; both take x and the constants."""

    letters = {"x": "..."}

    @staticmethod
    def h_prime(x: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @classmethod
    def backward(cls, needs, g, x, *constants):
        return times(g, cls.h_prime(x, *constants)), *(None for _ in constants)

    @classmethod
    def jvp(cls, tangents, x, *constants):
        return times(tangents[0], cls.h_prime(x, *constants))

    @classmethod
    def L(cls, x, *constants):
        return (torch.diag(cls.h_prime(x, *constants).flatten()),)  # H', (14.30)


class Pointwise(PointwiseLayer):
    """A user's own pair of h and h'."""

    @staticmethod
    def forward(x, h, h_prime):
        return h(x)

    @staticmethod
    def h_prime(x, h, h_prime):
        return h_prime(x)


class Exp(PointwiseLayer):
    autocast = "float32"

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def h_prime(x):
        return exp(x)


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
    @staticmethod
    def forward(x):
        return x.abs()

    @staticmethod
    def h_prime(x):
        return x.detach().sign()


class Sigmoid(PointwiseLayer):
    """h' = h (1 - h)."""

    @staticmethod
    def forward(x):
        return x.sigmoid()

    @staticmethod
    def h_prime(x):
        h = sigmoid(x)
        return minus(h, times(h, h))

    @staticmethod
    def backward_once(needs, g, x):
        h = x.sigmoid()
        return (h.addcmul_(h, h, value=-1).conj().mul_(g),)


class Tanh(PointwiseLayer):
    """h' = 1 - h²."""

    @staticmethod
    def forward(x):
        return x.tanh()

    @staticmethod
    def h_prime(x):
        h = tanh(x)
        return shift(scale(times(h, h), -1), 1)

    @staticmethod
    def backward_once(needs, g, x):
        s = torch.mul(x, 2).sigmoid_()  # 1 - tanh² = 4 s (1 - s), several times faster
        return (s.addcmul_(s, s, value=-1).mul_(4).conj().mul_(g),)


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
