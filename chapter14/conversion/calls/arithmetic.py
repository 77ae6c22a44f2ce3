"""Sums, products, quotients and powers, as torch calls them: numbers and tensors, of any dtypes, broadcast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layer import cast
from ...layers.core.arithmetic import gate, minus, plus, power, scale, shift, times
from ...layers.core.branch import branch
from ...layers.pointwise import binary
from ...layers.pointwise.binary import divide, divide_by, exponential, raised
from ...layers.pointwise.remainder import divide_rounded, remainder
from ...layers.pointwise.transcendental import reciprocal
from ..table import stands_for
from .operands import of_numbers, of_reals, promoted, tensors


@stands_for("add", "__add__", "__radd__")
@of_numbers
def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha other."""
    a, b = promoted(input, other)
    if not isinstance(b, Tensor):
        return shift(a, alpha * b)
    if not isinstance(a, Tensor):
        return shift(b if alpha == 1 else scale(b, alpha), a)
    return plus(a, b if alpha == 1 else scale(b, alpha))


@stands_for("sub", "subtract", "__sub__")
@of_numbers
def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha other."""
    a, b = promoted(input, other)
    if _a_bool(input) or _a_bool(other):
        return NotImplemented  # which torch refuses
    if not isinstance(b, Tensor):
        return shift(a, -alpha * b)
    if not isinstance(a, Tensor):
        return shift(scale(b, -alpha), a)
    return minus(a, b if alpha == 1 else scale(b, alpha))


def _a_bool(x: Any) -> bool:
    return isinstance(x, bool) or (isinstance(x, Tensor) and x.dtype == torch.bool)


@stands_for("rsub", "__rsub__")
@of_numbers
def rsub(input: Any, other: Any, alpha: float = 1) -> Tensor:
    """other - alpha input."""
    return sub(other, input, alpha=alpha)


@stands_for("mul", "multiply", "__mul__", "__rmul__")
@of_numbers
def mul(input: Any, other: Any) -> Tensor:
    if _masks(other, input):
        return gate(input, other)
    if _masks(input, other):
        return gate(other, input)
    a, b = promoted(input, other)
    if not isinstance(b, Tensor):
        return scale(a, b)
    return times(a, b) if isinstance(a, Tensor) else scale(b, a)


def _masks(mask: Any, x: Any) -> bool:
    """Whether mask times x is x, where the mask has it: one byte an entry to remember."""
    if not isinstance(mask, Tensor) or not isinstance(x, Tensor) or mask.dtype != torch.bool:
        return False
    return torch.broadcast_shapes(x.shape, mask.shape) == x.shape


@stands_for("div", "divide", "true_divide", "__truediv__", "__div__")
@of_numbers
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, perhaps rounded; what is rounded has no gradient but 0."""
    if rounding_mode is not None:
        if torch.is_complex(input) if isinstance(input, Tensor) else isinstance(input, complex):
            return NotImplemented  # which torch refuses
        a, b = tensors(input, other)
        return divide_rounded(a, b, rounding_mode)
    a, b = promoted(input, other)
    if not isinstance(b, Tensor):
        return divide_by(a, b)
    return divide(a, b) if isinstance(a, Tensor) else scale(reciprocal(b), a)


@stands_for("floor_divide", "__floordiv__")
@of_reals
def floor_divide(input: Any, other: Any) -> Tensor:
    a, b = tensors(input, other)
    return divide_rounded(a, b, "floor")


@stands_for("__rfloordiv__")
@of_reals
def rfloor_divide(input: Tensor, other: Any) -> Tensor:
    return floor_divide(other, input)


@stands_for("__rtruediv__", "__rdiv__")
@of_numbers
def rdiv(input: Tensor, other: Any) -> Tensor:
    return div(other, input)


@stands_for("remainder", "__mod__")
@of_reals
def modulo(input: Any, other: Any) -> Tensor:
    """What input / other leaves, rounded down: it has the sign of `other`."""
    a, b = tensors(input, other)
    return remainder(a, b, "floor")


@stands_for("__rmod__")
@of_reals
def rmod(input: Tensor, other: Any) -> Tensor:
    return modulo(other, input)


@stands_for("fmod")
@of_reals
def fmod(input: Tensor, other: Any) -> Tensor:
    """What input / other leaves, rounded towards 0: it has the sign of `input`."""
    a, b = tensors(input, other)
    return remainder(a, b, "trunc")


@stands_for("pow", "__pow__")
@of_numbers
def pow(input: Any, exponent: Any) -> Tensor:
    a, b = promoted(input, exponent)
    if not isinstance(b, Tensor):
        return power(a, b)
    return raised(a, b) if isinstance(a, Tensor) else exponential(a, b)


@stands_for("__rpow__")
@of_numbers
def rpow(input: Tensor, other: Any) -> Tensor:
    return pow(other, input)


@stands_for("float_power")
@of_numbers
def float_power(input: Any, exponent: Any) -> Tensor:
    """input^exponent, in double precision."""
    both = input, exponent
    if any(x.is_complex() if isinstance(x, Tensor) else isinstance(x, complex) for x in both):
        return pow(*(cast(x, torch.complex128) if isinstance(x, Tensor) else complex(x) for x in both))
    return pow(*(cast(x, torch.float64) if isinstance(x, Tensor) else float(x) for x in both))


@stands_for("neg", "negative", "__neg__")
@of_numbers
def neg(input: Tensor) -> Tensor:
    return scale(input, -1)


@stands_for("addcmul")
@of_numbers
def addcmul(input: Tensor, tensor1: Any, tensor2: Any, *, value: float = 1) -> Tensor:
    """input + value tensor1 tensor2."""
    return add(input, mul(tensor1, tensor2), alpha=value)


@stands_for("addcdiv")
@of_numbers
def addcdiv(input: Tensor, tensor1: Any, tensor2: Any, *, value: float = 1) -> Tensor:
    """input + value tensor1 / tensor2."""
    return add(input, div(tensor1, tensor2), alpha=value)


@stands_for("lerp")
@of_numbers
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """From input, where weight is 0, to end, where it is 1."""
    if end.dtype != input.dtype:
        return NotImplemented  # which torch refuses
    if input.is_complex() or (isinstance(weight, Tensor) and weight.is_complex()):
        start, also = branch(input)
        return add(start, mul(weight, minus(end, also)))
    return binary.lerp(input, end, weight if isinstance(weight, Tensor) else input.new_tensor(weight))


@stands_for("ldexp")
@of_numbers
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input 2^other. Whole numbers do not decide the dtype."""
    if other.is_floating_point():
        return mul(input, exponential(2.0, other))
    x_out = mul(input, torch.pow(2.0, other))
    return cast(x_out, input.dtype) if input.is_floating_point() else x_out


@stands_for("atan2", "arctan2")
@of_reals
def atan2(input: Tensor, other: Tensor) -> Tensor:
    return binary.atan2(*tensors(input, other))


@stands_for("hypot")
@of_reals
def hypot(input: Tensor, other: Tensor) -> Tensor:
    return binary.hypot(*tensors(input, other))


@stands_for("logaddexp")
@of_numbers
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    return binary.logaddexp(*tensors(input, other))


@stands_for("logaddexp2")
@of_reals
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    return binary.logaddexp2(*tensors(input, other))


@stands_for("xlogy", "special.xlogy")
@of_reals
def xlogy(input: Any, other: Any) -> Tensor:
    return binary.xlogy(*tensors(input, other))


@stands_for("special.xlog1py")
@of_reals
def xlog1py(input: Any, other: Any) -> Tensor:
    return binary.xlog1py(*tensors(input, other))
