"""Functions of one tensor, entry by entry: torch, torch.special, Tensor, and the activations."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.arithmetic import added, scale, shift, times
from ...layers.core.complex import view_as_real
from ...layers.pointwise.piecewise import torch_relu
from ...layers.pointwise.pointwise import sign
from ...layers.pointwise.step_functions import flat
from .operands import by_name, of_numbers, of_reals, on_tensors


def sgn(input: Tensor) -> Tensor:
    return sign(input) if input.is_complex() else flat(input, torch.sign)


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log Γ_p(x) = p (p - 1) / 4 log π + Σ_i log Γ(x - i / 2), i from 0 to p - 1."""
    constant = p * (p - 1) / 4 * math.log(math.pi)
    return shift(added(*(F.lgamma(shift(input, -i / 2)) for i in range(p))), constant)


def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """The mantissa, in [1/2, 1), and the exponent of two."""
    exponent = torch.frexp(input.detach())[1]
    return torch.return_types.frexp((times(input, torch.ldexp(torch.ones_like(input), -exponent)), exponent))


def angle(input: Tensor) -> Tensor:
    """0, or π where input is negative; of complex input, the angle of (Re, Im)."""
    if not input.is_complex():
        return flat(input, torch.angle)
    re, im = F.unbind(view_as_real(input), -1)
    return F.atan2(im, re)


CALLS = of_numbers(by_name(
    F.acos, F.acosh, F.asin, F.asinh, F.atan, F.atanh, F.cos, F.cosh, F.digamma, F.erf, F.erfc, F.erfinv, F.exp, F.exp2,
    F.expm1, F.i0, F.lgamma, F.log, F.log10, F.log1p, F.log2, F.logit, F.reciprocal, F.rsqrt, F.sigmoid, F.sin, F.sinc,
    F.sinh, F.sqrt, F.square, F.tan, F.tanh, angle, sgn,
) | by_name(
    F.digamma, F.entr, F.erf, F.erfc, F.erfcx, F.erfinv, F.exp2, F.expm1, F.i0, F.i0e, F.i1, F.i1e, F.log1p, F.log_ndtr,
    F.logit, F.ndtr, F.ndtri, F.sinc, place="special.",
) | {
    "abs absolute __abs__": F.absolute,
    "arccos": F.acos,
    "arccosh": F.acosh,
    "arcsin": F.asin,
    "arcsinh": F.asinh,
    "arctan": F.atan,
    "arctanh": F.atanh,
    "special.expit": F.sigmoid,
    "special.gammaln": F.lgamma,
    "special.psi": F.digamma,
    "positive __pos__": lambda input: input,
    "resolve_conj resolve_neg": lambda input: NotImplemented if input.is_conj() or input.is_neg() else input,
}) | of_reals(by_name(F.frac, F.nan_to_num, frexp) | {
    "sign": lambda input: flat(input, torch.sign),
    "floor": lambda input: flat(input, torch.floor),
    "ceil": lambda input: flat(input, torch.ceil),
    "trunc fix": lambda input: flat(input, torch.trunc),
    "round special.round": lambda input, *, decimals=0: flat(input, lambda x: torch.round(x, decimals=decimals)),
    "deg2rad": lambda input: scale(input, math.pi / 180),
    "rad2deg": lambda input: scale(input, 180 / math.pi),
    "torch.polygamma special.polygamma": F.polygamma,
    "Tensor.polygamma": lambda input, n: F.polygamma(n, input),
    "mvlgamma special.multigammaln": mvlgamma,
    "copysign": on_tensors(F.copysign),
}) | by_name(F.celu, F.selu, F.prelu, F.rrelu, F.threshold, F.hardshrink) | {
    "relu": torch_relu,
    "relu_": lambda input: torch_relu(input, inplace=True),
}  # fmt: skip
