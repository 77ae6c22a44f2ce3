"""Layers that are straight lines with a kink or two: h' is 1 on some entries and 0 on the rest.

    relu        max(x, 0)             h' = 1 where x > 0; at 0 as its keyword says, (14.32)
    hardtanh    x within [lo, hi]     h' = 1 inside; relu6 is within [0, 6]
    clamp       the same              and 0 where x is NaN; either bound may be missing
    threshold, hardshrink, softshrink, hardsigmoid, nan_to_num

L needs a mask only: one bit an entry. If the layers before have parameters that learn, the next layer probably saves
its x_in, which is x_out here; if the mask can be computed from x_out, then x_out is remembered instead, at no cost. At
a kink h' is PyTorch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.modes import compiling
from ...layer.shape import check_real
from ..core.arithmetic import scale
from ..core.bitmask import gated, is_plain, learns, packed, unpacked
from ..core.inplace import in_place, over
from .elementwise import slope_times
from .pointwise import PointwiseLayer


class Gated(PointwiseLayer):
    """h' = 1 where the mask is True, else 0. A subclass has `mask`, or `mask_of_output` and `write`."""

    opmath = None
    write: ClassVar[Any]

    @classmethod
    def mask(cls, x: Tensor, *constants: Any) -> Tensor:
        return cls.mask_of_output(cls.forward(x, *constants), *constants)

    @staticmethod
    def output_has_mask(*constants: Any) -> bool:
        """Whether there is a `mask_of_output`, and `write`, which is forward in place."""
        return False

    @staticmethod
    def mask_of_output(x_out: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        x, *constants = inputs
        if not cls.output_has_mask(*constants):
            saved = packed(cls.mask(x.detach(), *constants))
        elif is_plain(x_out) and learns(x):
            saved = x_out
        else:
            saved = packed(cls.mask_of_output(x_out.detach(), *constants))
        return saved, x.shape, *constants

    @classmethod
    def h_prime(cls, saved, shape, *constants):
        return cls.mask_of_output(saved.detach(), *constants) if saved.is_floating_point() else unpacked(saved, shape)

    @classmethod
    def backward_once(cls, needs, g, saved, shape, *constants):
        bits = cls.mask_of_output(saved, *constants) if saved.is_floating_point() else saved
        return gated(g, bits), *(None for _ in constants)

    @classmethod
    def jvp(cls, tangents: Sequence[Any], *inputs: Any) -> Any:
        x, *constants = inputs
        return slope_times(cls.mask(x.detach(), *constants), tangents[0])


class Relu(Gated):
    """h'(x) = 1 where x > 0, 0 where x < 0, and at 0 what the keyword says: 1 in the chapter (14.32), 0 in PyTorch."""

    @staticmethod
    def forward(x, at_zero):
        return x.relu()

    @staticmethod
    def opens(at_zero: float, library: Any = torch) -> Any:
        """The comparison of x with 0, torch's or numpy's, that is True where h' is 1; at NaN it is False."""
        return library.greater_equal if at_zero else library.greater

    @classmethod
    def mask(cls, x, at_zero):
        """As `opens`, but nearly twice as fast; at NaN it is True, as PyTorch's h' is."""
        if at_zero:
            return ~x.clamp(max=0).nan_to_num(0).bool()
        return super().mask(x, at_zero)

    @staticmethod
    def output_has_mask(at_zero):
        return not at_zero

    @staticmethod
    def mask_of_output(x_out, at_zero):
        return x_out != 0 if compiling() else x_out.bool()  # the faster of the two in each

    @staticmethod
    def write(x, at_zero):
        return x.relu_()


class Hardtanh(Gated):
    forward = staticmethod(native.hardtanh)
    write = staticmethod(native.hardtanh_)

    @staticmethod
    def output_has_mask(lo, hi):
        return True

    @staticmethod
    def mask_of_output(x_out, lo, hi):
        if compiling():
            return (x_out != lo) & (x_out != hi)
        return (x_out - lo).bool() & (x_out - hi).bool()  # lo < x_out < hi, for one within [lo, hi], and faster


class Clamp(Gated):
    """Of two numbers, one of which may be None."""

    forward = staticmethod(torch.clamp)

    @staticmethod
    def mask(x, low, high):
        if low is None or high is None:
            return x < high if low is None else x > low
        return (x > low) & (x < high)


class Threshold(Gated):
    """x where x > θ, else a value."""

    forward = staticmethod(native.threshold)

    @staticmethod
    def mask(x, threshold, value):
        return ~(x <= threshold)


class Hardshrink(Gated):
    """x where |x| > λ, else 0."""

    forward: ClassVar[Any] = staticmethod(native.hardshrink)

    @staticmethod
    def mask(x, lambd):
        return ~(x.abs() <= lambd)


class Softshrink(Hardshrink):
    """x - λ where x > λ, x + λ where x < -λ, else 0."""

    forward = staticmethod(native.softshrink)


class Hardsigmoid(Gated):
    """x / 6 + 1/2 within [0, 1]: h' = 1/6 inside."""

    forward = staticmethod(native.hardsigmoid)

    @staticmethod
    def mask(x):
        return (x > -3) & (x < 3)

    @classmethod
    def backward(cls, needs, g, *kept):
        return (scale(slope_times(cls.h_prime(*kept), g), 1 / 6),)

    @classmethod
    def backward_once(cls, needs, g, bits, shape):
        return (gated(g, bits).mul_(1 / 6),)

    @classmethod
    def jvp(cls, tangents, x):
        return scale(super().jvp(tangents, x), 1 / 6)

    @classmethod
    def L(cls, *kept):
        return (torch.diag(cls.h_prime(*kept).flatten()) / 6,)


class NanToNum(Gated):
    """NaN and infinities replaced by numbers, which have no gradient."""

    title = "nan_to_num"
    forward = staticmethod(torch.nan_to_num)

    @staticmethod
    def mask(x, *constants):
        return x.isfinite()


def relu(input: Tensor, inplace: bool = False, at_zero: float = 1) -> Tensor:
    """max(x, 0), as `torch.nn.functional.relu`. `at_zero` is h'(0): 1 in the chapter, (14.32); PyTorch has 0.

    Raises:
        ValueError: `at_zero` is neither.
    """
    if at_zero not in (0, 1):
        raise ValueError(f"relu: at_zero is 1, as in the chapter, or 0, as in PyTorch; it was given {at_zero!r}.")
    if inplace and not at_zero:
        return over(Relu, input, at_zero)
    return put(input, Relu.of(input, at_zero), inplace)


def torch_relu(input: Tensor, inplace: bool = False) -> Tensor:
    """`relu` with PyTorch's h'(0), which is 0."""
    return relu(input, inplace, at_zero=0)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x within [min_val, max_val], as `torch.nn.functional.hardtanh`.

    Raises:
        ValueError: `min_val` is more than `max_val`.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val is at most max_val; it was given {min_val} and {max_val}.")
    return over(Hardtanh, input, min_val, max_val) if inplace else Hardtanh.of(input, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x within [0, 6], as `torch.nn.functional.relu6`."""
    return hardtanh(input, 0.0, 6.0, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else the value, as `torch.nn.functional.threshold`."""
    return put(input, Threshold.of(input, threshold, value), inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0, as `torch.nn.functional.hardshrink`."""
    return Hardshrink.of(input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, nearer to 0 by lambd; as `torch.nn.functional.softshrink`."""
    return Softshrink.of(input, lambd)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2 within [0, 1], as `torch.nn.functional.hardsigmoid`."""
    return put(input, Hardsigmoid.of(input), inplace)


def nan_to_num(x: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with its NaN and infinities replaced, as `torch.nan_to_num`."""
    check_real("nan_to_num", x=x)
    return NanToNum.of(x, nan, posinf, neginf)


def put(x: Tensor, x_out: Tensor, inplace: bool) -> Tensor:
    """x_out, written into x where `inplace`: for layers that do not remember x."""
    return in_place(x, x_out) if inplace else x_out
