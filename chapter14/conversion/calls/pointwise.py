"""Functions of one tensor, entry by entry: torch, torch.special, Tensor, and the activations."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.arithmetic import added, scale, shift, times
from ...layers.core.complex import view_as_real
from ...layers.core.merge import unbind
from ...layers.pointwise import piecewise, pointwise, special, transcendental
from ...layers.pointwise import step_functions as steps
from ...layers.pointwise.binary import atan2
from ...layers.pointwise.step_functions import flat
from .operands import of_numbers, of_reals, on_tensors


def sgn(input: Tensor) -> Tensor:
    return pointwise.sign(input) if input.is_complex() else flat(input, torch.sign)


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """log Γ_p(x) = p (p - 1) / 4 log π + Σ_i log Γ(x - i / 2), i from 0 to p - 1."""
    constant = p * (p - 1) / 4 * math.log(math.pi)
    return shift(added(*(special.lgamma(shift(input, -i / 2)) for i in range(p))), constant)


def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """The mantissa, in [1/2, 1), and the exponent of two."""
    exponent = torch.frexp(input.detach())[1]
    return torch.return_types.frexp((times(input, torch.ldexp(torch.ones_like(input), -exponent)), exponent))


def angle(input: Tensor) -> Tensor:
    """0, or π where input is negative; of complex input, the angle of (Re, Im)."""
    if not input.is_complex():
        return flat(input, torch.angle)
    re, im = unbind(view_as_real(input), -1)
    return atan2(im, re)


CALLS = of_numbers({
    "abs absolute __abs__": pointwise.absolute,
    "erf special.erf": pointwise.erf,
    "exp": pointwise.exp,
    "log": pointwise.log,
    "sigmoid special.expit": pointwise.sigmoid,
    "tanh": pointwise.tanh,
    "digamma special.digamma special.psi": special.digamma,
    "special.entr": special.entr,
    "erfc special.erfc": special.erfc,
    "special.erfcx": special.erfcx,
    "erfinv special.erfinv": special.erfinv,
    "i0 special.i0": special.i0,
    "special.i0e": special.i0e,
    "special.i1": special.i1,
    "special.i1e": special.i1e,
    "lgamma special.gammaln": special.lgamma,
    "special.log_ndtr": special.log_ndtr,
    "logit special.logit": special.logit,
    "special.ndtr": special.ndtr,
    "special.ndtri": special.ndtri,
    "sinc special.sinc": special.sinc,
    "acos arccos": transcendental.acos,
    "acosh arccosh": transcendental.acosh,
    "asin arcsin": transcendental.asin,
    "asinh arcsinh": transcendental.asinh,
    "atan arctan": transcendental.atan,
    "atanh arctanh": transcendental.atanh,
    "cos": transcendental.cos,
    "cosh": transcendental.cosh,
    "exp2 special.exp2": transcendental.exp2,
    "expm1 special.expm1": transcendental.expm1,
    "log10": transcendental.log10,
    "log1p special.log1p": transcendental.log1p,
    "log2": transcendental.log2,
    "reciprocal": transcendental.reciprocal,
    "rsqrt": transcendental.rsqrt,
    "sin": transcendental.sin,
    "sinh": transcendental.sinh,
    "sqrt": transcendental.sqrt,
    "square": transcendental.square,
    "tan": transcendental.tan,
    "sgn": sgn,
    "positive __pos__": lambda input: input,
    "angle": angle,
    "resolve_conj resolve_neg": lambda input: NotImplemented if input.is_conj() or input.is_neg() else input,
}) | of_reals({
    "sign": lambda input: flat(input, torch.sign),
    "floor": lambda input: flat(input, torch.floor),
    "ceil": lambda input: flat(input, torch.ceil),
    "trunc fix": lambda input: flat(input, torch.trunc),
    "round special.round": lambda input, *, decimals=0: flat(input, lambda x: torch.round(x, decimals=decimals)),
    "frac": steps.frac,
    "deg2rad": lambda input: scale(input, math.pi / 180),
    "rad2deg": lambda input: scale(input, 180 / math.pi),
    "torch.polygamma special.polygamma": special.polygamma,
    "Tensor.polygamma": lambda input, n: special.polygamma(n, input),
    "mvlgamma special.multigammaln": mvlgamma,
    "nan_to_num": piecewise.nan_to_num,
    "copysign": on_tensors(steps.copysign),
    "frexp": frexp,
}) | {
    "relu": piecewise.torch_relu,
    "relu_": lambda input: piecewise.torch_relu(input, inplace=True),
    **{name: getattr(F, name) for name in ("celu", "selu", "prelu", "rrelu", "threshold", "hardshrink")},
}  # fmt: skip
