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
from torch.nn import functional as native

from ..layer import Layer
from .arithmetic import gate, minus, plus, power, scale, shift, times


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


class Relu(Layer):
    """h'(x) = 1 where x > 0, 0 where x < 0, and at 0 what the keyword says: 1 in the chapter (14.32), 0 in PyTorch.

    All that L needs is which: one byte an entry, and the sign of x_out tells it.
    """

    letters = {"x": "..."}

    @staticmethod
    def forward(x, at_zero):
        return x.relu()

    @staticmethod
    def remember(needs, inputs, x_out):
        x, at_zero = inputs
        return (_not_negative(x.detach()) if at_zero else x_out.detach().bool(),)  # bool(NaN) is True, as torch has it

    @staticmethod
    def backward(needs, g, mask):
        return gate(g, mask), None

    @staticmethod
    def jvp(tangents, x, at_zero):
        return gate(tangents[0], _not_negative(x.detach()) if at_zero else x.detach().relu().bool())

    @staticmethod
    def L(mask):
        return (torch.diag(mask.flatten()),)


def _not_negative(x: Tensor) -> Tensor:
    return ~x.clamp(max=0).nan_to_num(0).bool()  # ~(x < 0), nearly twice as fast


class LeakyRelu(Layer):
    """h'(x) = 1 where x > 0, else the slope."""

    letters = {"x": "..."}

    @staticmethod
    def forward(x, slope):
        return native.leaky_relu(x, slope)

    @staticmethod
    def remember(needs, inputs, x_out):
        return inputs[0].detach() > 0, inputs[1]

    @staticmethod
    def backward(needs, g, mask, slope):
        return _leak(g, mask, slope), None

    @staticmethod
    def jvp(tangents, x, slope):
        return _leak(tangents[0], x.detach() > 0, slope)

    @staticmethod
    def L(mask, slope):
        return (torch.diag(torch.where(mask, 1.0, slope).flatten()),)


def _leak(g: Tensor, mask: Tensor, slope: float) -> Tensor:
    return plus(gate(g, mask), gate(scale(g, slope), ~mask))


class Sigmoid(PointwiseLayer):
    """h' = h (1 - h)."""

    @staticmethod
    def forward(x):
        return x.sigmoid()

    @staticmethod
    def h_prime(x):
        h = sigmoid(x)
        return minus(h, times(h, h))


class Tanh(PointwiseLayer):
    """h' = 1 - h²."""

    @staticmethod
    def forward(x):
        return x.tanh()

    @staticmethod
    def h_prime(x):
        h = tanh(x)
        return shift(scale(times(h, h), -1), 1)


class Gelu(PointwiseLayer):
    """h = x Φ(x), h' = Φ(x) + x φ(x), with Φ and φ of the normal distribution; or, by tanh, its usual approximation."""

    @staticmethod
    def forward(x, approximate):
        return native.gelu(x, approximate=approximate)

    @staticmethod
    def h_prime(x, approximate):
        if approximate == "none":
            cdf = scale(shift(erf(scale(x, math.sqrt(0.5))), 1), 0.5)
            pdf = scale(exp(scale(times(x, x), -0.5)), 1 / math.sqrt(2 * math.pi))
            return plus(cdf, times(x, pdf))
        k, c = math.sqrt(2 / math.pi), 0.044715
        square = times(x, x)
        t = tanh(scale(times(x, shift(scale(square, c), 1)), k))
        inner = shift(scale(square, 3 * c * k), k)  # of tanh's argument, the derivative
        sech = shift(scale(times(t, t), -1), 1)
        return plus(scale(shift(t, 1), 0.5), scale(times(times(x, sech), inner), 0.5))


class Silu(PointwiseLayer):
    """h = x σ(x), h' = σ + x σ (1 - σ)."""

    @staticmethod
    def forward(x):
        return native.silu(x)

    @staticmethod
    def h_prime(x):
        s = sigmoid(x)
        return plus(s, times(x, minus(s, times(s, s))))


class Softplus(PointwiseLayer):
    """h = log(1 + exp(βx)) / β, h' = σ(βx); beyond the threshold, x and 1."""

    @staticmethod
    def forward(x, beta, threshold):
        return native.softplus(x, beta, threshold)

    @staticmethod
    def h_prime(x, beta, threshold):
        straight = x.detach() * beta > threshold
        return plus(gate(sigmoid(scale(x, beta)), ~straight), straight.to(x.dtype))


class Elu(PointwiseLayer):
    """h = x where x > 0, else α (exp(x) - 1); h' = 1, else α exp(x)."""

    @staticmethod
    def forward(x, alpha):
        return native.elu(x, alpha)

    @staticmethod
    def h_prime(x, alpha):
        up = x.detach() > 0
        down = scale(exp(gate(x, ~up)), alpha)  # not exp of a large x, which would be inf
        return plus(gate(down, ~up), up.to(x.dtype))


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


def relu(input: Tensor, inplace: bool = False, at_zero: float = 1) -> Tensor:
    """max(x, 0), as `torch.nn.functional.relu`. `at_zero` is h'(0): 1 in the chapter, (14.32); PyTorch has 0.

    Raises:
        ValueError: `at_zero` is neither.
    """
    if at_zero not in (0, 1):
        raise ValueError(f"relu: at_zero is 1, as in the chapter, or 0, as in PyTorch; it was given {at_zero!r}.")
    return Relu.of(input, at_zero)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else slope x, as `torch.nn.functional.leaky_relu`."""
    return LeakyRelu.of(input, negative_slope)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), as `torch.nn.functional.sigmoid`."""
    return Sigmoid.of(input)


def tanh(input: Tensor) -> Tensor:
    """As `torch.nn.functional.tanh`."""
    return Tanh.of(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """As `torch.nn.functional.gelu`; `approximate` is "none" or "tanh"."""
    return Gelu.of(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x σ(x), as `torch.nn.functional.silu`."""
    return Silu.of(input)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """A smooth relu, as `torch.nn.functional.softplus`."""
    return Softplus.of(input, beta, threshold)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """As `torch.nn.functional.elu`."""
    return Elu.of(input, alpha)
