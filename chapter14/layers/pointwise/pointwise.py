"""Pointwise layers (section 14.6.2).

    x_out = [h(x_in[0]), ..., h(x_in[N-1])]
    L^x   = diag h'(x_in) = H'                     (14.30)
    g_in  = g_out H', entry by entry g_out h'      (14.31), (14.33)

Each layer is its h and its h'. h' is written with layers, so h'' and all that follow are by hand too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import keep, minus, numbers, plus, power, scale, shift, times
from ..core.complex import conj, real_dtype
from .elementwise import Slope, as_torchs, layer_of_kernel, slope_times

Unary = Callable[[Tensor], Tensor]


class PointwiseLayer(Layer):
    """g_in = g_out h'(x_in), and forward mode is the same. A subclass states h and h'.

    h' takes what `remember` returns: x and the constants, unless a subclass remembers something else. For complex x, h'
    is the derivative of h, and g_in is g_out times its conjugate, as in autograd. A subclass's `backward_once` computes
    g h' in fewer passes over memory.
    """

    letters = {"x": "..."}
    opmath: ClassVar[str | None] = "derivatives"

    @staticmethod
    def h_prime(*remembered: Any) -> Slope:
        raise NotImplementedError

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        slope = cls.h_prime(*remembered)
        g_in = slope_times(conj(slope) if isinstance(slope, Tensor) else slope, g)
        return g_in, *(None for _ in needs[1:])

    @classmethod
    def jvp(cls, tangents: Sequence[Any], *inputs: Any) -> Any:
        return slope_times(cls.h_prime(*cls.remember((True,), inputs, None)), tangents[0])

    @classmethod
    def L(cls, *remembered):
        slope = cls.h_prime(*remembered)
        assert isinstance(slope, Tensor)
        return (torch.diag(slope.flatten()),)  # H', (14.30)


class ByItsOutput(PointwiseLayer):
    """h' as a function of x_out = h(x_in): x_out is remembered, which the next layer may remember too.

    It is x_out itself, which autograd returns with its derivative; x_out.detach() would be a constant.
    """

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        return (x_out if x_out is not None else cls.of(*inputs),)


def declared(
    h: Callable, h_prime: Callable, autocast: str | None = None, base: type[PointwiseLayer] = PointwiseLayer,
    **rules: Any,
) -> Unary:  # fmt: skip
    """h as a layer's function, by its h'. `autocast` as in `Layer`; where `base` is ByItsOutput, h' takes h(x)."""

    def f(input: Tensor) -> Tensor:
        return layer.of(input)

    layer = layer_of_kernel(h, base, h_prime=h_prime, autocast=autocast, **rules)
    return as_torchs(h, f)


def of_constants(h: Callable, layer: type[PointwiseLayer], *constants: Any) -> Unary:
    """The layer with these constants, which compute h, as a function."""

    def f(input: Tensor) -> Tensor:
        return layer.of(input, *constants)

    return as_torchs(h, f)


class Pointwise(PointwiseLayer):
    """A user's own pair of h and h'."""

    @staticmethod
    def forward(x, h, h_prime):
        return h(x)

    @staticmethod
    def h_prime(x, h, h_prime):
        return h_prime(x)


def pointwise(x: Tensor, h: Callable[[Tensor], Tensor], h_prime: Callable[[Tensor], Tensor]) -> Tensor:
    """Any h with its h', (14.30). Written with the functions of `chapter14.functional`,
    h' has derivatives by hand too."""
    return Pointwise.of(x, h, h_prime)


class Sigmoid(ByItsOutput):
    """h' = h (1 - h)."""

    forward = staticmethod(torch.sigmoid)

    @staticmethod
    def h_prime(h):
        return minus(h, times(h, h))

    @staticmethod
    def backward_once(needs, g, h):
        return (torch.addcmul(h, h, h, value=-1).mul_(g),)


class Tanh(ByItsOutput):
    """h' = 1 - h²."""

    forward = staticmethod(torch.tanh)

    @staticmethod
    def h_prime(h):
        return shift(scale(times(h, h), -1), 1)

    @staticmethod
    def backward_once(needs, g, h):
        return (torch.mul(h, h).neg_().add_(1).mul_(g),)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), as `torch.nn.functional.sigmoid`."""
    return Sigmoid.of(input)


def tanh(input: Tensor) -> Tensor:
    """As `torch.nn.functional.tanh`."""
    return Tanh.of(input)


def sign(x: Tensor) -> Tensor:
    """x / |x|, and 0 where x is 0, as `torch.sgn`; of real x it has no derivative."""
    if not x.is_complex():
        return x.detach().sign()
    there = x.detach() != 0
    return times(x, keep(power(plus(absolute(x), numbers(~there, real_dtype(x))), -1), there))


exp: Unary = declared(torch.exp, lambda h: h, "float32", ByItsOutput)
log: Unary = declared(torch.log, lambda x: power(x, -1), "float32")
erf: Unary = declared(torch.erf, lambda x: scale(exp(scale(times(x, x), -1)), 2 / math.sqrt(math.pi)))

#: h'(0) = 0. Of complex x, d|x| is the real part of (x / |x|)* dx. Its h' is exact in any dtype.
absolute: Unary = declared(torch.abs, lambda x: conj(sign(x)), opmath=None)
