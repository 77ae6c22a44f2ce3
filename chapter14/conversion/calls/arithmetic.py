"""Sums, products, quotients, powers and choices of two operands: numbers and tensors of any dtypes, broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...layer.base import cast
from ...layers.core.arithmetic import gate, minus, plus, power, scale, shift, times
from ...layers.core.branch import branch
from ...layers.pointwise import binary, compare
from ...layers.pointwise.binary import divide, divide_by, exponential, raised
from ...layers.pointwise.remainder import divide_rounded, remainder
from ...layers.pointwise.transcendental import reciprocal
from .operands import by_name, of_numbers, of_reals, on_tensors, promoted, tensors


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha other."""
    a, b = promoted(input, other)
    if not isinstance(b, Tensor):
        return shift(a, alpha * b)
    b = b if alpha == 1 else scale(b, alpha)
    return plus(a, b) if isinstance(a, Tensor) else shift(b, a)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input - alpha other."""
    if any(isinstance(x, bool) or (isinstance(x, Tensor) and x.dtype == torch.bool) for x in (input, other)):
        return NotImplemented  # torch refuses it
    a, b = promoted(input, other)
    if not isinstance(b, Tensor):
        return shift(a, -alpha * b)
    return minus(a, b if alpha == 1 else scale(b, alpha)) if isinstance(a, Tensor) else shift(scale(b, -alpha), a)


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
    """Whether mask is boolean and x keeps its shape: then one byte per entry is saved for the backward pass."""
    if not isinstance(mask, Tensor) or not isinstance(x, Tensor) or mask.dtype != torch.bool:
        return False
    return torch.broadcast_shapes(x.shape, mask.shape) == x.shape


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; with a rounding mode, rounded, with gradient 0."""
    if rounding_mode is not None:
        if torch.is_complex(input) if isinstance(input, Tensor) else isinstance(input, complex):
            return NotImplemented  # torch refuses it
        a, b = tensors(input, other)
        return divide_rounded(a, b, rounding_mode)
    a, b = promoted(input, other)
    if not isinstance(b, Tensor):
        return divide_by(a, b)
    return divide(a, b) if isinstance(a, Tensor) else scale(reciprocal(b), a)


floor_divide = on_tensors(divide_rounded, "floor")
modulo = on_tensors(remainder, "floor")  # with the sign of `other`


def pow(input: Any, exponent: Any) -> Tensor:
    a, b = promoted(input, exponent)
    if not isinstance(b, Tensor):
        return power(a, b)
    return raised(a, b) if isinstance(a, Tensor) else exponential(a, b)


def float_power(input: Any, exponent: Any) -> Tensor:
    """input^exponent in double precision."""
    both = input, exponent
    is_complex = any(x.is_complex() if isinstance(x, Tensor) else isinstance(x, complex) for x in both)
    dtype, number = (torch.complex128, complex) if is_complex else (torch.float64, float)
    return pow(*(cast(x, dtype) if isinstance(x, Tensor) else number(x) for x in both))


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """From input, where weight is 0, to end, where it is 1."""
    if end.dtype != input.dtype:
        return NotImplemented  # torch refuses it
    if input.is_complex() or (isinstance(weight, Tensor) and weight.is_complex()):
        start, also = branch(input)
        return add(start, mul(weight, minus(end, also)))
    return binary.lerp(input, end, weight if isinstance(weight, Tensor) else input.new_tensor(weight))


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input 2^other. An integer `other` does not decide the dtype."""
    if other.is_floating_point():
        return mul(input, exponential(2.0, other))
    x_out = mul(input, torch.pow(2.0, other))
    return cast(x_out, input.dtype) if input.is_floating_point() else x_out


def where(condition: Tensor, input: Any = None, other: Any = None) -> Tensor:
    """input where the condition is True, else other. With a condition alone, where it is True: that stays native."""
    if input is None or condition.dtype not in (torch.bool, torch.uint8):
        return NotImplemented  # torch refuses it
    return compare.where(condition.bool(), *tensors(input, other))


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, not below min and not above max: numbers, tensors or None."""
    given = [v for v in (min, max) if v is not None]
    if not given:
        return NotImplemented  # torch refuses it
    if not any(isinstance(v, Tensor) for v in given):
        return compare.clamp(tensors(input, *given)[0], min, max)
    if not all(isinstance(v, Tensor) for v in given):
        return NotImplemented  # a number and a tensor, which torch refuses
    x, *bounds = promoted(input, *given)
    low, high = (None if v is None else bounds.pop(0) for v in (min, max))
    return compare.clamp(x, low, high)


def _of_promoted(layer: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The layer as a call of two operands of which neither may be a number."""
    return lambda input, other: layer(*promoted(input, other))


maximum, minimum = _of_promoted(compare.maximum), _of_promoted(compare.minimum)

CALLS = of_numbers(by_name(float_power, ldexp, lerp) | {
    "add __add__ __radd__": add,
    "sub subtract __sub__": sub,
    "rsub __rsub__": lambda input, other, alpha=1: sub(other, input, alpha=alpha),
    "mul multiply __mul__ __rmul__": mul,
    "div divide true_divide __truediv__ __div__": div,
    "__rtruediv__ __rdiv__": lambda input, other: div(other, input),
    "pow __pow__": pow,
    "__rpow__": lambda input, other: pow(other, input),
    "neg negative __neg__": lambda input: scale(input, -1),
    "addcmul": lambda input, tensor1, tensor2, *, value=1: add(input, mul(tensor1, tensor2), alpha=value),
    "addcdiv": lambda input, tensor1, tensor2, *, value=1: add(input, div(tensor1, tensor2), alpha=value),
    "logaddexp": on_tensors(binary.logaddexp),
    "torch.where": where,
    "Tensor.where": lambda input, condition, other: where(condition, input, other),
}) | of_reals({
    "floor_divide __floordiv__": floor_divide,
    "__rfloordiv__": lambda input, other: floor_divide(other, input),
    "remainder __mod__": modulo,
    "__rmod__": lambda input, other: modulo(other, input),
    "fmod": on_tensors(remainder, "trunc"),  # with the sign of `input`
    "atan2 arctan2": on_tensors(binary.atan2),
    "hypot": on_tensors(binary.hypot),
    "logaddexp2": on_tensors(binary.logaddexp2),
    "xlogy special.xlogy": on_tensors(binary.xlogy),
    "special.xlog1py": on_tensors(binary.xlog1py),
    "maximum": maximum,
    "minimum": minimum,
    "fmax": _of_promoted(compare.fmax),
    "fmin": _of_promoted(compare.fmin),
    "clamp clip": clamp,
    "clamp_min": lambda input, min: clamp(input, min),
    "clamp_max": lambda input, max: clamp(input, None, max),
})  # fmt: skip
