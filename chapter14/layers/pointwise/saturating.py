"""Activations that approach a constant or a straight line at both ends: h, and h' of (14.30).

    elu         s x where x > 0, else s α (exp(c x) - 1)     s, else s α c exp(c x)
    softplus    log(1 + exp(βx)) / β                         σ(βx)
    logsigmoid  log σ(x)                                     σ(-x)
    softsign    x / (1 + |x|)                                (1 + |x|)^-2
    tanhshrink  x - tanh x                                   tanh² x

celu and selu are elu with other s, α and c.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as native

from ..core.arithmetic import keep, plus, power, scale, shift, times
from ..core.cache_blocks import by_block
from ..core.cast import clone
from ..core.inplace import in_place
from .pointwise import PointwiseLayer, absolute, exp, sigmoid, tanh
from .transcendental import square


class Elu(PointwiseLayer):
    """h = s x where x > 0, else s α (exp(c x) - 1); h' = s, else s α c exp(c x)."""

    forward = staticmethod(torch._C._nn.elu)

    @staticmethod
    def h_prime(x, alpha, s, c):
        up = x.detach() > 0
        below = keep(x, ~(x.detach() >= 0))  # exp of a large x would be infinite
        down = scale(exp(scale(below, c)), s * alpha * c)
        return plus(keep(down, ~up), scale(up.to(x.dtype), s))

    @staticmethod
    @by_block
    def backward_once(x, alpha, s, c):
        h_prime = x.clamp(max=0).mul_(c).exp_()  # 1 where x > 0
        if alpha * c != 1:
            h_prime.mul_(alpha * c).add_((x > 0).view(torch.uint8).to(x.dtype), alpha=1 - alpha * c)
        return h_prime.mul_(s)


class Softplus(PointwiseLayer):
    """Beyond the threshold a straight line: h = x, h' = 1."""

    fusible = True

    forward = staticmethod(native.softplus)

    @staticmethod
    def h_prime(x, beta, threshold):
        straight = x.detach() * beta > threshold
        return plus(keep(sigmoid(scale(x, beta)), ~straight), straight.to(x.dtype))

    @staticmethod
    @by_block
    def backward_once(x, beta, threshold):
        h_prime = x * beta
        straight = (h_prime > threshold).view(torch.uint8).to(x.dtype)
        return h_prime.sigmoid_().add_(straight).clamp_(max=1)


class LogSigmoid(PointwiseLayer):
    forward = staticmethod(native.logsigmoid)

    @staticmethod
    def h_prime(x):
        return sigmoid(scale(x, -1))

    @staticmethod
    @by_block
    def backward_once(x):
        return x.neg().sigmoid_()


class Softsign(PointwiseLayer):
    forward = staticmethod(native.softsign)

    @staticmethod
    def h_prime(x):
        return power(shift(absolute(x), 1), -2)


class Tanhshrink(PointwiseLayer):
    forward = staticmethod(native.tanhshrink)

    @staticmethod
    def h_prime(x):
        return square(tanh(x))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """As `torch.nn.functional.elu`."""
    return applied(Elu, input, inplace, alpha, 1.0, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else α (exp(x/α) - 1): as `torch.nn.functional.celu`.

    Raises:
        RuntimeError: α is 0.
    """
    if alpha == 0:
        raise RuntimeError("celu: it divides by alpha, which was given as 0.")
    return applied(Elu, input, inplace, alpha, 1.0, 1 / alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu`, scaled so that it keeps mean 0 and variance 1; as `torch.nn.functional.selu`."""
    return applied(Elu, input, inplace, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """A smooth relu, as `torch.nn.functional.softplus`."""
    return Softplus.of(input, beta, threshold)


def logsigmoid(input: Tensor) -> Tensor:
    """log σ(x), as `torch.nn.functional.logsigmoid`."""
    return LogSigmoid.of(input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|), as `torch.nn.functional.softsign`."""
    if input.is_complex():  # where |x| depends on x and x*, there is no h'
        return times(input, power(shift(absolute(input), 1), -1))
    return Softsign.of(input)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh x, as `torch.nn.functional.tanhshrink`."""
    return Tanhshrink.of(input)


def applied(layer: type[PointwiseLayer], x: Tensor, inplace: bool, *constants: float) -> Tensor:
    """A layer that remembers x; its x_out is written into x where `inplace`, and a copy of x is remembered."""
    return in_place(x, layer.of(clone(x), *constants)) if inplace else layer.of(x, *constants)
