"""Layers that are straight lines with a kink or two: h' is one number on some entries and another on the rest.

    relu        max(x, 0)             h' = 1 where x > 0, else 0; at 0 as its keyword says, (14.32)
    hardtanh    x within [lo, hi]     h' = 1 inside, else 0; relu6 is within [0, 6]

All that L needs is which entries are which: one bit an entry. Where the layers before learn, the layer behind keeps its
x_in anyway, which is x_out here; so where x_out tells as much as a mask, it is remembered instead, and costs nothing.
At a kink h' is what PyTorch has there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ..core.arithmetic import keep, scale
from ..core.bitmask import gated, is_plain, learns, packed, unpacked
from ..core.inplace import in_place, over


class Gated(Layer):
    """h' = 1 where the mask is, else 0. A subclass says which: `mask` of x and the constants."""

    letters = {"x": "..."}

    @staticmethod
    def mask(x: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def told(*constants: Any) -> bool:
        """Whether x_out tells the mask, too: then `seen` is the mask of x_out, and `write` is forward in place."""
        return False

    @staticmethod
    def seen(x_out: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def write(x: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @classmethod
    def remember(cls, needs, inputs, x_out):
        x, *constants = inputs
        if not cls.told(*constants):
            kept = packed(cls.mask(x.detach(), *constants))
        elif is_plain(x_out) and learns(x):
            kept = x_out
        else:
            kept = packed(cls.seen(x_out.detach(), *constants))
        return kept, x.shape, *constants

    @classmethod
    def opened(cls, kept: Tensor, shape: torch.Size, *constants: Any) -> Tensor:
        return cls.seen(kept.detach(), *constants) if kept.is_floating_point() else unpacked(kept, shape)

    @classmethod
    def backward(cls, needs, g, *kept):
        return keep(g, cls.opened(*kept)), *[None] * (len(kept) - 2)

    @classmethod
    def backward_once(cls, needs, g, kept, shape, *constants):
        bits = cls.seen(kept, *constants) if kept.is_floating_point() else kept
        return gated(g, bits), *[None] * len(constants)

    @classmethod
    def jvp(cls, tangents, x, *constants):
        return keep(tangents[0], cls.mask(x.detach(), *constants))

    @classmethod
    def L(cls, *kept):
        return (torch.diag(cls.opened(*kept).flatten()),)


class Relu(Gated):
    """h'(x) = 1 where x > 0, 0 where x < 0, and at 0 what the keyword says: 1 in the chapter (14.32), 0 in PyTorch."""

    @staticmethod
    def forward(x, at_zero):
        return x.relu()

    @staticmethod
    def mask(x, at_zero):
        if at_zero:
            return ~x.clamp(max=0).nan_to_num(0).bool()  # ~(x < 0), nearly twice as fast
        return x.relu().bool()  # bool(NaN) is True, as torch has it

    @staticmethod
    def told(at_zero):
        return not at_zero

    @staticmethod
    def seen(x_out, at_zero):
        return x_out.bool()

    @staticmethod
    def write(x, at_zero):
        return x.relu_()


class Hardtanh(Gated):
    @staticmethod
    def forward(x, lo, hi):
        return native.hardtanh(x, lo, hi)

    @staticmethod
    def mask(x, lo, hi):
        return Hardtanh.seen(native.hardtanh(x, lo, hi), lo, hi)

    @staticmethod
    def told(lo, hi):
        return True

    @staticmethod
    def seen(x_out, lo, hi):
        return (x_out - lo).bool() & (x_out - hi).bool()  # lo < x_out < hi, for one within [lo, hi], and faster

    @staticmethod
    def write(x, lo, hi):
        return native.hardtanh_(x, lo, hi)


class Threshold(Gated):
    """x where x > θ, else a value."""

    @staticmethod
    def forward(x, threshold, value):
        return native.threshold(x, threshold, value)

    @staticmethod
    def mask(x, threshold, value):
        return ~(x <= threshold)


class Hardshrink(Gated):
    """x where |x| > λ, else 0."""

    @staticmethod
    def forward(x, lambd):
        return native.hardshrink(x, lambd)

    @staticmethod
    def mask(x, lambd):
        return ~(x.abs() <= lambd)


class Softshrink(Hardshrink):
    """x - λ where x > λ, x + λ where x < -λ, else 0."""

    @staticmethod
    def forward(x, lambd):
        return native.softshrink(x, lambd)


class Hardsigmoid(Gated):
    """x / 6 + 1/2 within [0, 1]: h' = 1/6 inside."""

    @staticmethod
    def forward(x):
        return native.hardsigmoid(x)

    @staticmethod
    def mask(x):
        return (x > -3) & (x < 3)

    @classmethod
    def backward(cls, needs, g, *kept):
        return (scale(keep(g, cls.opened(*kept)), 1 / 6),)

    @classmethod
    def backward_once(cls, needs, g, bits, shape):
        return (gated(g, bits).mul_(1 / 6),)

    @classmethod
    def jvp(cls, tangents, x):
        return scale(keep(tangents[0], cls.mask(x.detach())), 1 / 6)

    @classmethod
    def L(cls, *kept):
        return (torch.diag(cls.opened(*kept).flatten()) / 6,)


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


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x within [min_val, max_val], as `torch.nn.functional.hardtanh`.

    Raises:
        ValueError: there is nothing in between.
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


def put(x: Tensor, x_out: Tensor, inplace: bool) -> Tensor:
    """x_out, in x's place where `inplace` says so: for layers that remember no x."""
    return in_place(x, x_out) if inplace else x_out
