"""Sums, products and powers, entry by entry. The backward passes of other layers are written with them.

    plus    x_out = a + b        L^a = I           L^b = I
    times   x_out = a b          L^a = diag b      L^b = diag a
    scale   x_out = c x          L   = c I
    power   x_out = x^p          L   = diag p x^(p-1)

a and b broadcast, which is a branch (section 14.7): in the backward pass `sum_to_size` sums over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from ...layer.base import Layer, LinearMap
from ...layer.shape import check_floating
from .arrange import reshape
from .bilinear_map import BilinearMap
from .bitmask import selected
from .branch import broadcast_to, sum_to_size
from .complex import conj
from .linear_maps import IdentityMap, JointlyLinear, SymmetricMap


def added(*terms: Tensor | None) -> Tensor:
    """The sum of those terms that are not None. They broadcast."""
    there = [t for t in terms if t is not None]
    return there[0] if len(there) == 1 else plus(added(*there[:-1]), there[-1])


class Plus(JointlyLinear):
    title = "add"
    autocast = "widest"
    letters = {"a": "...", "b": "..."}

    forward = staticmethod(torch.add)

    @staticmethod
    def remember(needs, inputs, x_out):
        return inputs[0].shape, inputs[1].shape

    @staticmethod
    def backward(needs, g, a_shape, b_shape):
        return sum_to_size(g, a_shape) if needs[0] else None, sum_to_size(g, b_shape) if needs[1] else None


class Minus(Plus):
    title = "sub"

    forward = staticmethod(torch.sub)

    @staticmethod
    def backward(needs, g, a_shape, b_shape):
        return sum_to_size(g, a_shape) if needs[0] else None, scale(sum_to_size(g, b_shape), -1) if needs[1] else None


class Times(BilinearMap):
    title = "mul"
    autocast = "widest"
    letters = {"a": "...", "b": "..."}

    forward = staticmethod(torch.mul)

    @staticmethod
    def transpose_a(g, b, shape):
        return sum_to_size(times(g, b), shape)

    @staticmethod
    def transpose_b(g, a, shape):
        return sum_to_size(times(g, a), shape)


class ScaleBy(LinearMap):
    title = "scale"

    @staticmethod
    def forward(x, c):
        if c == -1 and x.is_complex():
            return -x  # a product with -1 + 0 i makes NaN of infinity
        return x * c

    @staticmethod
    def transpose(g, shape, c):
        return scale(g, c.conjugate())


class Shift(IdentityMap):
    @staticmethod
    def forward(x, c):
        return x + c


class MeanAlong(LinearMap):
    """The mean over some axes, in one step: in float16 the sum may be infinite where the mean is not."""

    @staticmethod
    def forward(x, dims):
        return x.mean(dims, keepdim=True) if dims else x.clone()

    @staticmethod
    def transpose(g, shape, dims):
        return broadcast_to(scale(g, g.numel() / max(shape.numel(), 1)), shape)


class Power(Layer):
    title = "pow"
    opmath = "derivatives"

    @staticmethod
    def forward(x, p):
        return x**p

    @staticmethod
    def backward(needs, g, x, p):
        return times(g, conj(_power_prime(x, p))), None

    @staticmethod
    def jvp(tangents, x, p):
        return times(tangents[0], _power_prime(x, p))


def _power_prime(x: Tensor, p: float) -> Tensor:
    if p == 2:
        return scale(x, 2)
    return scale(power(x, p - 1), p) if p != 0 else torch.zeros_like(x)  # and not 0 x^-1, which is NaN at x = 0


def numbers(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask as ones and zeros. Through bytes it is several times faster than a bool in a product, or `where`."""
    # the same once compiled; PyTorch 2.9's vmap has no rule for the view
    if torch.compiler.is_compiling() or is_functorch_wrapped_tensor(mask):
        return mask.to(dtype)
    return mask.view(torch.uint8).to(dtype)


class Gate(SymmetricMap):
    """x_out = m x, where m is a mask of ones and zeros, one byte an entry. A product: NaN where infinity meets 0."""

    @staticmethod
    def forward(x, mask):
        return x * numbers(mask, x.dtype)


class Keep(SymmetricMap):
    """x where the mask is True, else 0, even of an infinite x: relu's H' as a layer, (14.31)."""

    @staticmethod
    def forward(x, mask):
        return selected(x, mask)


# The layers as functions, with which backward passes are written. a and b broadcast, c and p are numbers.

plus: Callable[[Tensor, Tensor], Tensor] = Plus.of  # a + b
minus: Callable[[Tensor, Tensor], Tensor] = Minus.of  # a - b
times: Callable[[Tensor, Tensor], Tensor] = Times.of  # a b
scale: Callable[[Tensor, complex], Tensor] = ScaleBy.of  # c x
shift: Callable[[Tensor, float], Tensor] = Shift.of  # x + c
power: Callable[[Tensor, float], Tensor] = Power.of  # x^p
gate: Callable[[Tensor, Tensor], Tensor] = Gate.of  # x times the bool mask [*x], as 1 or 0
keep: Callable[[Tensor, Tensor], Tensor] = Keep.of  # x where the bool mask [*x] is True, else 0


def add(input: Tensor | float, other: Tensor | float) -> Tensor:
    """input + other, broadcast, as `torch.add`. One of the two may be a number."""
    a, b = _tensor_first(input, other)
    return plus(a, b) if isinstance(b, Tensor) else shift(a, b)


def sub(input: Tensor | float, other: Tensor | float) -> Tensor:
    """input - other, broadcast, as `torch.sub`. One of the two may be a number."""
    a, b = _tensor_first(input, other)
    if isinstance(b, Tensor):
        return minus(a, b)
    return shift(a, -b) if isinstance(input, Tensor) else shift(scale(a, -1), b)


def mul(input: Tensor | float, other: Tensor | float) -> Tensor:
    """input times other, entry by entry, broadcast, as `torch.mul`. One of the two may be a number."""
    a, b = _tensor_first(input, other)
    return times(a, b) if isinstance(b, Tensor) else scale(a, b)


def _tensor_first(a: Tensor | complex, b: Tensor | complex) -> tuple[Any, Any]:
    return (b, a) if isinstance(a, int | float | complex) and isinstance(b, Tensor) else (a, b)


def sum_along(x: Tensor, dim: int | Sequence[int]) -> Tensor:
    """The sum over some axes, each kept with size 1; as `torch.sum` with `keepdim=True`."""
    dims = {d % max(x.ndim, 1) for d in ((dim,) if isinstance(dim, int) else dim)}
    return sum_to_size(x, [1 if i in dims else n for i, n in enumerate(x.shape)])


def sum_to_channels(g: Tensor) -> Tensor:
    """g [B, C, ...] → [C], summed over the other axes: the gradient of a bias that branches to them (14.7)."""
    C = g.shape[1]
    return reshape(sum_to_size(g, (1, C, *[1] * (g.ndim - 2))), (C,))


def mean_along(x: Tensor, dim: int | Sequence[int]) -> Tensor:
    """The mean over some axes, each kept with size 1; as `torch.mean` with `keepdim=True`."""
    check_floating("mean_along", x=x)
    return MeanAlong.of(x, tuple(sorted({d % max(x.ndim, 1) for d in ((dim,) if isinstance(dim, int) else dim)})))
