"""Activations that multiply x by a gate computed from x: h, and h' of (14.30).

    gelu        x Φ(x)                            Φ(x) + x φ(x)
    silu        x σ(x)                            σ + x σ (1 - σ)
    mish        x t, t = tanh(log(1 + exp x))     t + x (1 - t²) σ
    hardswish   x times x / 6 + 1/2 in [0, 1]     x / 3 + 1/2 where -3 < x < 3; below 0, above 1
    glu         a σ(b), a and b the halves of x

The kernel for h is PyTorch's. h' is written twice: with layers, and in few passes over memory (`backward_once`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ..core.arithmetic import keep, minus, plus, scale, shift, times
from ..core.arrange import narrow
from ..core.cache_blocks import by_block
from ..core.merge import merge
from .pointwise import PointwiseLayer, erf, exp, sigmoid, tanh
from .saturating import applied, softplus


class Gelu(PointwiseLayer):
    """Φ and φ are the normal distribution's; or, by tanh, the usual approximation."""

    fusible = True

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

    @staticmethod
    @by_block
    def backward_once(x, approximate):
        if approximate == "none":
            cdf = native.gelu(x).div_(x).nan_to_num_(0.5)  # the kernel's erf is fast; at x = 0 it is 1/2
            pdf = torch.addcmul(x.new_zeros(()), x, x, value=-0.5 * math.log2(math.e)).exp2_()  # twice as fast as exp
            return cdf.addcmul_(x, pdf, value=1 / math.sqrt(2 * math.pi))
        k, c = math.sqrt(2 / math.pi), 0.044715
        square = torch.square(x)
        s = torch.mul(square, 2 * c * k).add_(2 * k).mul_(x).sigmoid_()  # (1 + tanh) / 2, and 4 s (1 - s) is sech²
        slope = square.mul_(6 * c * k).add_(2 * k).mul_(x)
        return torch.addcmul(s, s, s, value=-1).mul_(slope).add_(s)


class Silu(PointwiseLayer):
    fusible = True

    forward = staticmethod(native.silu)

    @staticmethod
    def h_prime(x):
        s = sigmoid(x)
        return plus(s, times(x, minus(s, times(s, s))))

    @staticmethod
    def backward_once(needs, g, x):
        s = x.sigmoid()
        less = torch.addcmul(x, x, s, value=-1)
        s.mul_(g)
        return (s.addcmul_(s, less),)  # g s (1 + x (1 - s))


class Mish(PointwiseLayer):
    fusible = True

    forward = staticmethod(native.mish)

    @staticmethod
    def h_prime(x):
        t = tanh(softplus(x))
        return plus(t, times(times(x, sigmoid(x)), shift(scale(times(t, t), -1), 1)))

    @staticmethod
    @by_block
    def backward_once(x):
        e = x.clamp(max=20).mul_(math.log2(math.e)).exp2_()  # t = n / (n + 2) with n = e (e + 2); beyond 20 it is 1
        n = e.square().add_(e, alpha=2)
        t, slope = n.div_(n + 2), x.sigmoid().mul_(x)
        return torch.addcmul(slope, slope, torch.square(t), value=-1).add_(t)


class Hardswish(PointwiseLayer):
    """h' = x / 3 + 1/2 where -3 < x < 3; below 0, above 1."""

    fusible = True

    forward = staticmethod(native.hardswish)

    @staticmethod
    def h_prime(x):
        inside, above = x.detach().abs() < 3, ~(x.detach() < 3)  # NaN is above, as in PyTorch
        return plus(keep(shift(scale(x, 1 / 3), 0.5), inside), above.to(x.dtype))

    @staticmethod
    @by_block
    def backward_once(x):
        up = native.threshold(x, -3, -1.5).neg_()  # x, but where h' is constant the x at which the line has that value
        return torch.threshold_(up, -3, -1.5).nan_to_num_(-1.5).mul_(-1 / 3).add_(0.5)


class Glu(Layer):
    """x_out = a σ(b): L^a = diag σ, L^b = diag a σ (1 - σ), side by side."""

    letters = {"x": "..."}
    opmath = "derivatives"
    fusible = True

    forward = staticmethod(native.glu)

    @staticmethod
    def backward(needs, g, x, dim):
        return merge(*(times(g, slope) for slope in _glu_prime(x, dim)), dim=dim), None

    @staticmethod
    def backward_once(needs, g, x, dim):
        a, b = x.chunk(2, dim)
        g_in = torch.empty_like(x)
        g_a, g_b = g_in.chunk(2, dim)
        s = torch.sigmoid(b)
        torch.mul(g, s, out=g_a)
        torch.addcmul(s, s, s, value=-1, out=g_b).mul_(a).mul_(g)
        return g_in, None

    @staticmethod
    def jvp(tangents, x, dim):
        return plus(*(times(t, slope) for t, slope in zip(_halves(tangents[0], dim), _glu_prime(x, dim), strict=True)))


def _glu_prime(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    a, b = _halves(x, dim)
    s = sigmoid(b)
    return s, times(a, minus(s, times(s, s)))


def _halves(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    n = x.shape[dim] // 2
    return narrow(x, dim, 0, n), narrow(x, dim, n, n)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """As `torch.nn.functional.gelu`; `approximate` is "none" or "tanh"."""
    return Gelu.of(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x σ(x), as `torch.nn.functional.silu`."""
    return applied(Silu, input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus x), as `torch.nn.functional.mish`."""
    return applied(Mish, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x hardsigmoid(x), as `torch.nn.functional.hardswish`."""
    return applied(Hardswish, input, inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a σ(b), a and b the halves of x along `dim`. As `torch.nn.functional.glu`.

    Raises:
        RuntimeError: there is nothing to halve.
    """
    if input.ndim == 0:
        raise RuntimeError("glu: it takes the halves of x along an axis; it was given a scalar.")
    return Glu.of(input, dim)
