"""Functions of one tensor, entry by entry, as torch, torch.special and Tensor call them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...layers.core.arithmetic import added, scale, shift, times
from ...layers.core.complex import view_as_real
from ...layers.core.merge import unbind
from ...layers.pointwise import pointwise, special, transcendental
from ...layers.pointwise import step_functions as steps
from ...layers.pointwise.binary import atan2
from ...layers.pointwise.step_functions import flat
from ..table import stands_for
from .operands import of_numbers, of_reals, tensors

#: Layers by the names of torch's that they stand for.
_SAME = {
    pointwise.absolute: "abs absolute __abs__",
    pointwise.erf: "erf special.erf",
    pointwise.exp: "exp",
    pointwise.log: "log",
    pointwise.sigmoid: "sigmoid special.expit",
    pointwise.tanh: "tanh",
    special.digamma: "digamma special.digamma special.psi",
    special.entr: "special.entr",
    special.erfc: "erfc special.erfc",
    special.erfcx: "special.erfcx",
    special.erfinv: "erfinv special.erfinv",
    special.i0: "i0 special.i0",
    special.i0e: "special.i0e",
    special.i1: "special.i1",
    special.i1e: "special.i1e",
    special.lgamma: "lgamma special.gammaln",
    special.log_ndtr: "special.log_ndtr",
    special.logit: "logit special.logit",
    special.ndtr: "special.ndtr",
    special.ndtri: "special.ndtri",
    special.sinc: "sinc special.sinc",
    transcendental.acos: "acos arccos",
    transcendental.acosh: "acosh arccosh",
    transcendental.asin: "asin arcsin",
    transcendental.asinh: "asinh arcsinh",
    transcendental.atan: "atan arctan",
    transcendental.atanh: "atanh arctanh",
    transcendental.cos: "cos",
    transcendental.cosh: "cosh",
    transcendental.exp2: "exp2 special.exp2",
    transcendental.expm1: "expm1 special.expm1",
    transcendental.log10: "log10",
    transcendental.log1p: "log1p special.log1p",
    transcendental.log2: "log2",
    transcendental.reciprocal: "reciprocal",
    transcendental.rsqrt: "rsqrt",
    transcendental.sin: "sin",
    transcendental.sinh: "sinh",
    transcendental.sqrt: "sqrt",
    transcendental.square: "square",
    transcendental.tan: "tan",
}
for _f, _names in _SAME.items():
    stands_for(*_names.split())(of_numbers(_f))


@stands_for("sgn")
@of_numbers
def sgn(input: Tensor) -> Tensor:
    return pointwise.sign(input) if input.is_complex() else flat(input, torch.sign)


@stands_for("sign")
@of_reals
def sign(input: Tensor) -> Tensor:
    return flat(input, torch.sign)


@stands_for("floor")
@of_reals
def floor(input: Tensor) -> Tensor:
    return flat(input, torch.floor)


@stands_for("ceil")
@of_reals
def ceil(input: Tensor) -> Tensor:
    return flat(input, torch.ceil)


@stands_for("trunc", "fix")
@of_reals
def trunc(input: Tensor) -> Tensor:
    return flat(input, torch.trunc)


@stands_for("round", "special.round")
@of_reals
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    return flat(input, lambda x: torch.round(x, decimals=decimals))


@stands_for("frac")
@of_reals
def frac(input: Tensor) -> Tensor:
    """What is behind the point: input - trunc(input)."""
    return steps.frac(input)


@stands_for("positive", "__pos__")
@of_numbers
def positive(input: Tensor) -> Tensor:
    return input


@stands_for("deg2rad")
@of_reals
def deg2rad(input: Tensor) -> Tensor:
    return scale(input, math.pi / 180)


@stands_for("rad2deg")
@of_reals
def rad2deg(input: Tensor) -> Tensor:
    return scale(input, 180 / math.pi)


@stands_for("torch.polygamma", "special.polygamma")
@of_reals
def polygamma(n: int, input: Tensor) -> Tensor:
    return special.polygamma(n, input)


@stands_for("Tensor.polygamma")
@of_reals
def polygamma_of(input: Tensor, n: int) -> Tensor:
    return special.polygamma(n, input)


@stands_for("mvlgamma", "special.multigammaln")
@of_reals
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the gamma function of p dimensions: p of one, each half a step further, and a constant."""
    constant = p * (p - 1) / 4 * math.log(math.pi)
    return shift(added(*(special.lgamma(shift(input, -i / 2)) for i in range(p))), constant)


@stands_for("nan_to_num")
@of_reals
def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None):
    return steps.nan_to_num(input, nan, posinf, neginf)


@stands_for("copysign")
@of_reals
def copysign(input: Tensor, other: Tensor | float) -> Tensor:
    """|input| with the sign of other."""
    return steps.copysign(*tensors(input, other))


@stands_for("frexp")
@of_reals
def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """The mantissa, of 1/2 to 1, and the power of two that it is times."""
    exponent = torch.frexp(input.detach())[1]
    return torch.return_types.frexp((times(input, torch.ldexp(torch.ones_like(input), -exponent)), exponent))


@stands_for("angle")
@of_numbers
def angle(input: Tensor) -> Tensor:
    """0, or π where input is negative; of complex input, the angle of (Re, Im)."""
    if not input.is_complex():
        return flat(input, torch.angle)
    re, im = unbind(view_as_real(input), -1)
    return atan2(im, re)


@stands_for("resolve_conj", "resolve_neg")
@of_numbers
def resolved(input: Tensor) -> Tensor:
    """input, whose memory is what it says; another stays native."""
    return NotImplemented if input.is_conj() or input.is_neg() else input
