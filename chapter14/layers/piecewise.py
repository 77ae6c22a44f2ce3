"""Layers that are straight lines with a kink or two: h' is one number on some entries and another on the rest.

    relu        max(x, 0)             h' = 1 where x > 0, else 0; at 0 as its keyword says, (14.32)
    hardtanh    x within [lo, hi]     h' = 1 inside, else 0; relu6 is within [0, 6]
    leaky_relu  x, or slope x         h' = 1 where x > 0, else the slope

All that L needs is which entries are which: one byte an entry. At a kink h' is what PyTorch has there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as native

from ..layer import Layer, LinearMap
from ..shape import ShapeError, in_words
from .arithmetic import added, gate, keep, plus, scale, times
from .arrange import reshape
from .branch import total
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


class Leak(LinearMap):
    """x where the mask is, else slope x: leaky relu's H' as a layer of its own."""

    @staticmethod
    def forward(x, mask, slope):
        up = mask.view(torch.uint8).to(x.dtype)
        if 0 <= slope <= 1:
            return x * up.clamp(min=slope)  # several times faster than `where`
        up = x * up
        return (x - up) * slope + up

    @staticmethod
    def transpose(g, shape, mask, slope):
        return Leak.of(g, mask, slope)


class LeakyRelu(Layer):
    letters = {"x": "..."}
    title = "leaky_relu"

    @staticmethod
    def forward(x, slope):
        return native.leaky_relu(x, slope)

    @staticmethod
    def remember(needs, inputs, x_out):
        return _positive(inputs[0].detach()), inputs[1]

    @staticmethod
    def backward(needs, g, mask, slope):
        return Leak.of(g, mask, slope), None

    @staticmethod
    def backward_once(needs, g, mask, slope):
        up = mask.view(torch.uint8).to(g.dtype)
        if 0 <= slope <= 1:
            return up.clamp_(min=slope).mul_(g), None
        up.mul_(g)
        return (g - up).mul_(slope).add_(up), None

    @staticmethod
    def jvp(tangents, x, slope):
        return Leak.of(tangents[0], _positive(x.detach()), slope)

    @staticmethod
    def L(mask, slope):
        return (torch.diag(torch.where(mask, 1.0, slope).flatten()),)


class Prelu(Layer):
    """x where x > 0, else a x, with a slope a that is learned and broadcasts: L^x = 1 or a, L^a = 0 or x."""

    letters = {"x": "...", "a": "..."}
    autocast = "lower"

    @staticmethod
    def forward(x, a):
        return torch._prelu_kernel(x, a)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, a = inputs
        return (
            x if needs[1] else _positive(x.detach()),
            a if needs[0] else None,
            a.shape,
        )  # where a is fixed, one byte does

    @staticmethod
    def backward(needs, g, x, a, a_shape):
        down = _down(x)
        return (
            plus(gate(g, ~down), keep(times(g, a), down)) if needs[0] else None,
            total(times(g, keep(x, down)), a_shape) if needs[1] else None,
        )

    @staticmethod
    def backward_once(needs, g, x, a, a_shape):
        return (
            torch.where(_down(x), g * a, g) if needs[0] else None,
            x.clamp(max=0).mul_(g).sum_to_size(a_shape) if needs[1] else None,
        )

    @staticmethod
    def jvp(tangents, x, a):
        dx, da = tangents
        down = _down(x)
        return added(
            None if dx is None else plus(gate(dx, ~down), keep(times(dx, a), down)),
            None if da is None else times(keep(x, down), da),
        )


def _positive(x: Tensor) -> Tensor:
    return x.relu().nan_to_num(0).bool()  # x > 0, faster


def _down(x: Tensor) -> Tensor:
    return ~(x if x.dtype == torch.bool else _positive(x.detach()))


def relu(input: Tensor, inplace: bool = False, at_zero: float = 1) -> Tensor:
    """max(x, 0), as `torch.nn.functional.relu`. `at_zero` is h'(0): 1 in the chapter, (14.32); PyTorch has 0.

    Raises:
        ValueError: `at_zero` is neither.
    """
    if at_zero not in (0, 1):
        raise ValueError(f"relu: at_zero is 1, as in the chapter, or 0, as in PyTorch; it was given {at_zero!r}.")
    return _put(input, Relu.of(input, at_zero), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else slope x, as `torch.nn.functional.leaky_relu`."""
    return _put(input, LeakyRelu.of(input, negative_slope), inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x within [min_val, max_val], as `torch.nn.functional.hardtanh`.

    Raises:
        ValueError: there is nothing in between.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val is at most max_val; it was given {min_val} and {max_val}.")
    return _put(input, Hardtanh.of(input, min_val, max_val), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x within [0, 6], as `torch.nn.functional.relu6`."""
    return hardtanh(input, 0.0, 6.0, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else the value, as `torch.nn.functional.threshold`."""
    return _put(input, Threshold.of(input, threshold, value), inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0, as `torch.nn.functional.hardshrink`."""
    return Hardshrink.of(input, lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, nearer to 0 by lambd; as `torch.nn.functional.softshrink`."""
    return Softshrink.of(input, lambd)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2 within [0, 1], as `torch.nn.functional.hardsigmoid`."""
    return _put(input, Hardsigmoid.of(input), inplace)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else weight x; weight is one slope or one a channel [C]. As `torch.nn.functional.prelu`.

    Raises:
        ShapeError: there is neither one weight nor one a channel.
    """
    channels = input.shape[1] if input.ndim >= 2 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: it expects input [B, C, ...], weight [1] or [C]; it was given input {in_words(input)}, "
            f"weight {in_words(weight)}."
        )
    along = [weight.numel() if i == 1 else 1 for i in range(input.ndim)]
    return Prelu.of(input, reshape(weight, along))


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """As `leaky_relu`, with a slope between `lower` and `upper`: each entry its own by chance where it trains, else the
    mean. As `torch.nn.functional.rrelu`; one seed, the same slopes.

    Raises:
        RuntimeError: `lower` is more than `upper`.
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: lower is at most upper; it was given {lower} and {upper}.")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = torch.empty_like(input)
    with torch.no_grad():  # it writes the slopes, and 1 where x > 0
        torch._C._nn.rrelu_with_noise(input.detach(), slopes, lower, upper, True)  # type: ignore[attr-defined]
    return _put(input, times(input, slopes), inplace)


def _put(x: Tensor, x_out: Tensor, inplace: bool) -> Tensor:
    return in_place(x, x_out) if inplace else x_out
