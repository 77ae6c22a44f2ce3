"""More pointwise layers (section 14.6.2), each declared by its h and its h':

    g_in = g_out h'(x_in), entry by entry          (14.31), (14.33)

h' is written with layers, so h'' and all that follow are by hand too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.arithmetic import power, scale, shift, times
from .pointwise import ByItsOutput, Unary, declared, exp


def _one_less_square(x: Tensor) -> Tensor:
    return shift(scale(times(x, x), -1), 1)  # 1 - x²


def _one_more_square(x: Tensor) -> Tensor:
    return shift(times(x, x), 1)  # 1 + x²


def _acosh_prime(x: Tensor) -> Tensor:
    """(x² - 1)^(-1/2). Of complex x the root is of each factor by itself, so that it is cut where acosh is."""
    if not x.is_complex():
        return rsqrt(shift(times(x, x), -1))
    return times(power(shift(x, -1), -0.5), power(shift(x, 1), -0.5))


# Powers and logarithms

sqrt: Unary = declared(torch.sqrt, lambda h: scale(power(h, -1), 0.5), base=ByItsOutput)
rsqrt: Unary = declared(torch.rsqrt, lambda h: scale(power(h, 3), -0.5), "float32", ByItsOutput)
reciprocal: Unary = declared(torch.reciprocal, lambda x: scale(power(x, -2), -1), "float32")
square: Unary = declared(torch.square, lambda x: scale(x, 2))
exp2: Unary = declared(torch.exp2, lambda x: scale(exp2(x), math.log(2)))
expm1: Unary = declared(torch.expm1, lambda x: exp(x), "float32")
log2: Unary = declared(torch.log2, lambda x: scale(power(x, -1), 1 / math.log(2)), "float32")
log10: Unary = declared(torch.log10, lambda x: scale(power(x, -1), 1 / math.log(10)), "float32")
log1p: Unary = declared(torch.log1p, lambda x: power(shift(x, 1), -1), "float32")

# Circle and hyperbola

sin: Unary = declared(torch.sin, lambda x: cos(x))
cos: Unary = declared(torch.cos, lambda x: scale(sin(x), -1))
tan: Unary = declared(torch.tan, lambda x: _one_more_square(tan(x)), "float32")
asin: Unary = declared(torch.asin, lambda x: rsqrt(_one_less_square(x)), "float32")
acos: Unary = declared(torch.acos, lambda x: scale(rsqrt(_one_less_square(x)), -1), "float32")
atan: Unary = declared(torch.atan, lambda x: power(_one_more_square(x), -1))
sinh: Unary = declared(torch.sinh, lambda x: cosh(x), "float32")
cosh: Unary = declared(torch.cosh, lambda x: sinh(x), "float32")
asinh: Unary = declared(torch.asinh, lambda x: rsqrt(_one_more_square(x)))
acosh: Unary = declared(torch.acosh, lambda x: _acosh_prime(x))
atanh: Unary = declared(torch.atanh, lambda x: power(_one_less_square(x), -1))
