"""Layers that are straight lines with a kink or two: h' is one number on some entries and another on the rest.

    relu        max(x, 0)             h' = 1 where x > 0, else 0; at 0 as its keyword says, (14.32)
    hardtanh    x within [lo, hi]     h' = 1 inside, else 0; relu6 is within [0, 6]

All that L needs is which entries are which: one byte an entry. At a kink h' is what PyTorch has there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as native

from ..layer import Layer
from .arithmetic import gate, scale
from .inplace import in_place


class Gated(Layer):
    """h' = 1 where the mask is, else 0. A subclass says which: `mask` of x and the constants."""

    letters = {"x": "..."}

    @staticmethod
    def mask(x: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @classmethod
    def remember(cls, needs, inputs, x_out):
        x, *constants = inputs
        return cls.mask(x.detach(), *constants), len(constants)

    @staticmethod
    def backward(needs, g, mask, n):
        return gate(g, mask), *[None] * n

    @staticmethod
    def backward_once(needs, g, mask, n):
        return mask.view(torch.uint8).to(g.dtype).mul_(g), *[None] * n

    @classmethod
    def jvp(cls, tangents, x, *constants):
        return gate(tangents[0], cls.mask(x.detach(), *constants))

    @staticmethod
    def L(mask, n):
        return (torch.diag(mask.flatten()),)


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

    @classmethod
    def remember(cls, needs, inputs, x_out):
        x, at_zero = inputs
        return cls.mask(x.detach(), at_zero) if at_zero else x_out.detach().bool(), 1


class Hardtanh(Gated):
    @staticmethod
    def forward(x, lo, hi):
        return native.hardtanh(x, lo, hi)

    @staticmethod
    def mask(x, lo, hi):
        return Hardtanh.between(native.hardtanh(x, lo, hi), lo, hi)

    @classmethod
    def remember(cls, needs, inputs, x_out):
        _, lo, hi = inputs
        return cls.between(x_out.detach(), lo, hi), 2

    @staticmethod
    def between(y: Tensor, lo: float, hi: float) -> Tensor:
        return (y - lo).bool() & (y - hi).bool()  # lo < y < hi, for a y within [lo, hi], and faster


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
        return x.abs() > lambd


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

    @staticmethod
    def backward(needs, g, mask, n):
        return (scale(gate(g, mask), 1 / 6),)

    @staticmethod
    def backward_once(needs, g, mask, n):
        return (mask.view(torch.uint8).to(g.dtype).mul_(1 / 6).mul_(g),)

    @classmethod
    def jvp(cls, tangents, x):
        return scale(gate(tangents[0], cls.mask(x.detach())), 1 / 6)

    @staticmethod
    def L(mask, n):
        return (torch.diag(mask.flatten()) / 6,)


def relu(input: Tensor, inplace: bool = False, at_zero: float = 1) -> Tensor:
    """max(x, 0), as `torch.nn.functional.relu`. `at_zero` is h'(0): 1 in the chapter, (14.32); PyTorch has 0.

    Raises:
        ValueError: `at_zero` is neither.
    """
    if at_zero not in (0, 1):
        raise ValueError(f"relu: at_zero is 1, as in the chapter, or 0, as in PyTorch; it was given {at_zero!r}.")
    return put(input, Relu.of(input, at_zero), inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x within [min_val, max_val], as `torch.nn.functional.hardtanh`.

    Raises:
        ValueError: there is nothing in between.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val is at most max_val; it was given {min_val} and {max_val}.")
    return put(input, Hardtanh.of(input, min_val, max_val), inplace)


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
