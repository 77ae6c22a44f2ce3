"""Special functions, each declared by its h and its h' as in transcendental.py, and two families of Bessel functions:

    I_n     modified         I_n' = (I_(n-1) + I_(n+1)) / 2
    j_n     spherical        j_n' = (n j_(n-1) - (n+1) j_(n+1)) / (2n+1);  sinc(x) = j_0(πx)

The derivatives of a family are in the family, so they are right at 0 too, where the usual formulas divide by x.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.arithmetic import keep, minus, plus, power, scale, shift, times
from .pointwise import PointwiseLayer, Unary, declared, exp, log, of_constants

# Of the normal distribution

_ROOT_PI = math.sqrt(math.pi)


def _bell(x: Tensor, width: float) -> Tensor:
    return exp(scale(times(x, x), width))


erfc: Unary = declared(torch.erfc, lambda x: scale(_bell(x, -1), -2 / _ROOT_PI))
erfinv: Unary = declared(torch.erfinv, lambda x: scale(_bell(erfinv(x), 1), _ROOT_PI / 2), "float32")
erfcx: Unary = declared(torch.special.erfcx, lambda x: shift(scale(times(x, erfcx(x)), 2), -2 / _ROOT_PI))
ndtr: Unary = declared(torch.special.ndtr, lambda x: scale(_bell(x, -0.5), 1 / math.sqrt(2 * math.pi)))
ndtri: Unary = declared(torch.special.ndtri, lambda x: scale(_bell(ndtri(x), 0.5), math.sqrt(2 * math.pi)))


class Mills(PointwiseLayer):
    """φ / Φ, without 0 / 0. h' = -h (x + h)."""

    @staticmethod
    def forward(x):
        return math.sqrt(2 / math.pi) / torch.special.erfcx(x * -math.sqrt(0.5))

    @staticmethod
    def h_prime(x):
        h = Mills.of(x)
        return scale(times(h, plus(x, h)), -1)


log_ndtr: Unary = declared(torch.special.log_ndtr, lambda x: Mills.of(x))
entr: Unary = declared(torch.special.entr, lambda x: shift(scale(log(x), -1), -1))

# Of the gamma function, whose derivatives never end

lgamma: Unary = declared(torch.lgamma, lambda x: digamma(x))
digamma: Unary = declared(torch.digamma, lambda x: polygamma(1, x))


class Polygamma(PointwiseLayer):
    """The n-th derivative of digamma; the next is the (n+1)-th."""

    @staticmethod
    def forward(x, n):
        return torch.polygamma(n, x)

    @staticmethod
    def h_prime(x, n):
        return polygamma(n + 1, x)


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma(x), entry by entry, as `torch.polygamma`."""
    return Polygamma.of(input, n)


# Bessel functions


class BesselI(PointwiseLayer):
    """I_n(x), or `scaled` by exp(-|x|)."""

    @staticmethod
    def forward(x, n, scaled):
        first = (torch.special.i0e, torch.special.i1e) if scaled else (torch.special.i0, torch.special.i1)
        if n < 2:
            return first[n](x)
        before, now = (f(x) for f in first)
        for m in range(1, n):  # I_(m+1) = I_(m-1) - 2m/x I_m, and 0 where x is too small to divide by
            before, now = now, torch.where(x.abs() < 1e-8, 0, before - 2 * m / x * now)
        return now

    @staticmethod
    def h_prime(x, n, scaled):
        around = scale(plus(_bessel_i(x, abs(n - 1), scaled), _bessel_i(x, n + 1, scaled)), 0.5)
        return minus(around, times(_bessel_i(x, n, scaled), x.detach().sign())) if scaled else around


def _bessel_i(x: Tensor, n: int, scaled: bool) -> Tensor:
    return BesselI.of(x, n, scaled)


class SphericalJ(PointwiseLayer):
    """j_n(πx)."""

    @staticmethod
    def forward(x, n):
        if n == 0:
            return torch.sinc(x)
        z = x * math.pi
        before, now = torch.sinc(x), torch.where(x == 0, 0, (torch.sinc(x) - z.cos()) / z)
        for m in range(1, n):  # j_(m+1) = (2m+1)/z j_m - j_(m-1)
            before, now = now, torch.where(x.abs() < 1e-8, 0, (2 * m + 1) / z * now - before)
        return now

    @staticmethod
    def h_prime(x, n):
        after = scale(SphericalJ.of(x, n + 1), -math.pi * (n + 1) / (2 * n + 1))
        return plus(scale(SphericalJ.of(x, n - 1), math.pi * n / (2 * n + 1)), after) if n else after


i0: Unary = of_constants(torch.special.i0, BesselI, 0, False)
i0e: Unary = of_constants(torch.special.i0e, BesselI, 0, True)
i1: Unary = of_constants(torch.special.i1, BesselI, 1, False)
i1e: Unary = of_constants(torch.special.i1e, BesselI, 1, True)
sinc: Unary = of_constants(torch.sinc, SphericalJ, 0)


class Logit(PointwiseLayer):
    """log(x / (1 - x)), of x brought into [ε, 1 - ε] where there is an ε; h' is 0 where it was brought there."""

    forward = staticmethod(torch.logit)

    @staticmethod
    def h_prime(x, eps):
        low = 0.0 if eps is None else eps
        outside = ~((x.detach() >= low) & (x.detach() <= 1 - low))
        prime = keep(power(minus(x, times(x, x)), -1), ~outside)
        return prime if eps is not None else plus(prime, torch.zeros_like(prime).masked_fill(outside, math.nan))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), entry by entry, as `torch.logit`."""
    return Logit.of(input, eps)
