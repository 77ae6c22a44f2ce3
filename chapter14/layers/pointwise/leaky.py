"""Leaky relus: x where x > 0, else slope x; so h' = 1 or the slope, by a mask of one byte an entry.

leaky_relu   the slope is a number
prelu        it is learned, one or one a channel
rrelu        in training it is random for each entry; else it is the mean of its range
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.accepted_tensors import check_dense
from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import keep, numbers, plus, times
from ..core.arrange import reshape
from ..core.branch import broadcast_to
from .elementwise import Elementwise
from .piecewise import put
from .pointwise import PointwiseLayer


class LeakyRelu(PointwiseLayer):
    title = "leaky_relu"
    opmath = None
    forward = staticmethod(native.leaky_relu)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, slope = inputs
        return _positive(x.detach()), slope, x.dtype

    @staticmethod
    def h_prime(positive, slope, dtype):
        up = numbers(positive, dtype)  # several times faster than `where`
        return up.clamp(min=slope) if 0 <= slope <= 1 else up + (1 - up) * slope

    @staticmethod
    def backward_once(needs, g, positive, slope, dtype):
        if 0 <= slope <= 1:
            return numbers(positive, dtype).clamp_(min=slope).mul_(g), None
        return LeakyRelu.h_prime(positive, slope, dtype).mul_(g), None


class Prelu(Elementwise):
    """x where x > 0, else a x, with a slope a that is learned and broadcasts: L^x = 1 or a, L^a = 0 or x.

    Where a is fixed, one byte an entry is remembered of x. At 0 PyTorch's derivative of L^a by x is 0.
    """

    letters = {"x": "...", "a": "..."}
    autocast = "lower"
    opmath = None
    forward = staticmethod(torch._prelu_kernel)

    @staticmethod
    def kept(needs, x, a):
        return x if needs[1] else _positive(x.detach()), a if needs[0] else None

    @staticmethod
    def partials(x, a):
        def by_x():
            down = _down(x)
            return plus(keep(broadcast_to(a, x.shape), down), numbers(~down, a.dtype))

        return by_x, lambda: keep(x, ~(x.detach() >= 0))

    @staticmethod
    def backward_once(needs, g, shapes, x, a):  # without the mask as numbers, and its product
        return (
            torch.where(_down(x), g * a, g) if needs[0] else None,
            x.clamp(max=0).mul_(g).sum_to_size(shapes[1] if shapes else x.shape) if needs[1] else None,
        )


def _positive(x: Tensor) -> Tensor:
    return x.relu().nan_to_num(0).bool()  # x > 0, faster


def _down(x: Tensor) -> Tensor:
    return ~(x if x.dtype == torch.bool else _positive(x.detach()))


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
        given = was_given(input=input, weight=weight)
        raise ShapeError(f"prelu: it expects input [B, C, ...], weight [1] or [C]; {given}")
    along = [weight.numel() if i == 1 else 1 for i in range(input.ndim)]
    return Prelu.of(input, reshape(weight, along))


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """As `leaky_relu`, with a slope between `lower` and `upper`: random for each entry in training, else the mean.

    As `torch.nn.functional.rrelu`, with the same slopes for the same seed.

    Raises:
        RuntimeError: `lower` is more than `upper`.
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: lower is at most upper; it was given {lower} and {upper}.")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    check_dense("rrelu", input)  # before random numbers are drawn
    slopes = torch.empty_like(input)
    with torch.no_grad():  # writes the slopes, and 1 where x > 0
        torch._C._nn.rrelu_with_noise(input.detach(), slopes, lower, upper, True)  # type: ignore[attr-defined]
    return put(input, times(input, slopes), inplace)
