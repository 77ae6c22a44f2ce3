"""x, divided by a size: its own, or that of its neighbours among the channels.

normalize             x_out = x / |x|,  g_in = (g - x_out <x_out, g>) / |x|
local_response_norm   x_out = x d^-β,  d = k + α mean x², over channels near by
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer, LinearMap, real
from ...layer.shape import check_floating, in_words
from ..core.arithmetic import keep, minus, plus, power, scale, shift, sum_along, times
from ..core.branch import branch
from ..core.cast import clone
from ..core.complex import conj
from ..pointwise.binary import divide
from ..pointwise.compare import clamp
from ..reduce.reduce import vector_norm


class Normalize(Layer):
    """By its L2 norm, or by ε where that is smaller: there x_out is x / ε, whose L is I / ε."""

    letters = {"x": "..."}
    opmath = "all"

    @staticmethod
    def forward(x, dim, eps):
        return native.normalize(x, dim=dim, eps=eps)

    @staticmethod
    def backward(needs, g, x, dim, eps):
        return Normalize.jvp((g,), x, dim, eps), None, None  # L is its own transpose

    @staticmethod
    def jvp(tangents, x, dim, eps):
        g = tangents[0]
        square = real(sum_along(times(x, conj(x)), dim))
        long = square.detach() > eps * eps
        safe = plus(keep(square, long), (~long).to(square.dtype) * eps * eps)  # a power of 0 has no derivative
        inverse = power(safe, -0.5)
        x_out = times(x, keep(inverse, long))
        along = real(sum_along(times(conj(x_out), g), dim))
        return times(inverse, minus(g, times(x_out, along)))


class NearMean(LinearMap):
    """The mean over the channels from `before` to `after` each one [B, C, ...]; beyond the ends there are zeros."""

    @staticmethod
    def forward(x, before, after):
        B, C = x.shape[:2]
        rows = native.pad(x.reshape(B, 1, C, math.prod(x.shape[2:])), (0, 0, before, after))
        return native.avg_pool2d(rows, (before + after + 1, 1), 1).view(x.shape)

    @staticmethod
    def transpose(g, shape, before, after):
        return NearMean.of(g, after, before)


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """x / max(|x|, eps), with |x| the p-norm along `dim`. As `torch.nn.functional.normalize`."""
    check_floating("normalize", input=input)
    if p == 2:
        return Normalize.of(input, dim, eps)
    x, also = branch(input)
    return divide(x, clamp(vector_norm(also, p, dim, True), eps))


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """input [B, C, ...], by the mean square of `size` channels. As `torch.nn.functional.local_response_norm`.

    Raises:
        ValueError: there is no axis of places.
    """
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: it expects input [B, C, ...]; it was given input {in_words(input)}.")
    if not input.numel():
        return clone(input)
    x, *also = branch(input, 3)
    square = NearMean.of(times(*also), size // 2, (size - 1) // 2)
    return times(x, power(shift(scale(square, alpha), k), -beta))
