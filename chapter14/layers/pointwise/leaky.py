"""Leaky relus: x where x > 0, else slope x; so h' = 1 or the slope, and one byte an entry tells which.

leaky_relu   the slope is a number
prelu        it is learned, one or one a channel
rrelu        where it trains, each entry draws its own; else it is their mean
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer, LinearMap, check_dense
from ...layer.shape import ShapeError, in_words
from ..core.arithmetic import added, keep, numbers, plus, times
from ..core.arrange import reshape
from ..core.branch import sum_to_size
from .piecewise import put


class Leak(LinearMap):
    """x where the mask is, else slope x: leaky relu's H' as a layer of its own."""

    @staticmethod
    def forward(x, mask, slope):
        up = numbers(mask, x.dtype)
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
        slope = torch.tensor(slope, dtype=torch.float64)  # as exact as x may be, whose dtype a mask does not tell
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
            plus(keep(g, ~down), keep(times(g, a), down)) if needs[0] else None,
            sum_to_size(times(g, keep(x, _negative(x))), a_shape) if needs[1] else None,
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
            None if dx is None else plus(keep(dx, ~down), keep(times(dx, a), down)),
            None if da is None else times(keep(x, _negative(x)), da),
        )


def _positive(x: Tensor) -> Tensor:
    return x.relu().nan_to_num(0).bool()  # x > 0, faster


def _down(x: Tensor) -> Tensor:
    return ~(x if x.dtype == torch.bool else _positive(x.detach()))


def _negative(x: Tensor) -> Tensor:
    """Where L^a is x: at 0 PyTorch's derivative of that by x is 0."""
    return ~(x.detach() >= 0)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else slope x, as `torch.nn.functional.leaky_relu`."""
    return put(input, LeakyRelu.of(input, negative_slope), inplace)


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
    check_dense("rrelu", input)  # before chance is drawn
    slopes = torch.empty_like(input)
    with torch.no_grad():  # it writes the slopes, and 1 where x > 0
        torch._C._nn.rrelu_with_noise(input.detach(), slopes, lower, upper, True)  # type: ignore[attr-defined]
    return put(input, times(input, slopes), inplace)
