"""More pointwise layers (section 14.6.2), each declared by its h and its h':

    g_in = g_out h'(x_in), entry by entry          (14.31), (14.33)

h' is written with layers, so h'' and all that follow are by hand too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..core.arithmetic import power, scale, shift, times
from .pointwise import ByItsOutput, PointwiseLayer, exp

Face = Callable[[Tensor], Tensor]


def declared(
    h: Callable, h_prime: Callable, autocast: str | None = None, base: type[PointwiseLayer] = PointwiseLayer
) -> Face:
    """h as a layer's function. `autocast` as in `Layer`; where `base` is ByItsOutput, h' is of h(x)."""
    name = h.__name__.removeprefix("special_")
    body = {"forward": staticmethod(h), "h_prime": staticmethod(h_prime), "autocast": autocast, "__module__": __name__}
    layer: Any = type(name.capitalize(), (base,), body)

    def f(input: Tensor) -> Tensor:
        return layer.of(input)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"{name}(x), entry by entry, as `torch.{h.__name__.replace('special_', 'special.')}`."
    return f


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

sqrt: Face = declared(torch.sqrt, lambda h: scale(power(h, -1), 0.5), base=ByItsOutput)
rsqrt: Face = declared(torch.rsqrt, lambda h: scale(power(h, 3), -0.5), "float32", ByItsOutput)
reciprocal: Face = declared(torch.reciprocal, lambda x: scale(power(x, -2), -1), "float32")
square: Face = declared(torch.square, lambda x: scale(x, 2))
exp2: Face = declared(torch.exp2, lambda x: scale(exp2(x), math.log(2)))
expm1: Face = declared(torch.expm1, lambda x: exp(x), "float32")
log2: Face = declared(torch.log2, lambda x: scale(power(x, -1), 1 / math.log(2)), "float32")
log10: Face = declared(torch.log10, lambda x: scale(power(x, -1), 1 / math.log(10)), "float32")
log1p: Face = declared(torch.log1p, lambda x: power(shift(x, 1), -1), "float32")

# Circle and hyperbola

sin: Face = declared(torch.sin, lambda x: cos(x))
cos: Face = declared(torch.cos, lambda x: scale(sin(x), -1))
tan: Face = declared(torch.tan, lambda x: _one_more_square(tan(x)), "float32")
asin: Face = declared(torch.asin, lambda x: rsqrt(_one_less_square(x)), "float32")
acos: Face = declared(torch.acos, lambda x: scale(rsqrt(_one_less_square(x)), -1), "float32")
atan: Face = declared(torch.atan, lambda x: power(_one_more_square(x), -1))
sinh: Face = declared(torch.sinh, lambda x: cosh(x), "float32")
cosh: Face = declared(torch.cosh, lambda x: sinh(x), "float32")
asinh: Face = declared(torch.asinh, lambda x: rsqrt(_one_more_square(x)))
acosh: Face = declared(torch.acosh, lambda x: _acosh_prime(x))
atanh: Face = declared(torch.atanh, lambda x: power(_one_less_square(x), -1))
