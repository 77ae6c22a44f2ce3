"""Reductions: axes of x_in become one number.

    sum        x_out = sum x                      L = [1, ..., 1]
    mean       x_out = sum x / n                  L = [1/n, ..., 1/n]
    var        x_out = sum (x - μ)² / (n - c)     L = 2 (x - μ) / (n - c)
    std        x_out = √var                       L = (x - μ) / (n - c) / x_out
    prod       x_out = product of x               L[j] = product of all x but x[j]
    amax       x_out = max x                      L: one 1 a row; for k equal largest entries, k times 1/k
    norm       x_out = (sum |x|^p)^(1/p)          L = sign x (|x| / x_out)^(p-1)

In the backward pass g is broadcast over the reduced axes (section 14.7) and multiplied by L.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap
from ...layer.shape import axes, check_floating
from ..core.arithmetic import keep, minus, plus, power, scale, times
from ..core.arrange import flip, narrow, pad, reshape
from ..core.branch import broadcast_to
from ..core.complex import conj, real_dtype
from ..pointwise.binary import divide
from ..pointwise.pointwise import absolute, sign
from ..pointwise.step_functions import flat
from .scan import cumprod

Axes = tuple[int, ...]
Dim = int | Sequence[int] | None


def _over(g: Tensor, shape: Sequence[int], dims: Axes) -> Tensor:
    """g, with or without the reduced axes, broadcast over them."""
    kept = [1 if i in dims or not dims else n for i, n in enumerate(shape)]
    return broadcast_to(g if g.ndim == len(shape) else reshape(g, kept), shape)


class Sum(LinearMap):
    autocast = "float32"

    forward = staticmethod(torch.sum)

    @staticmethod
    def transpose(g, shape, dims, keepdim):
        return _over(g, shape, dims)


class Mean(LinearMap):
    forward = staticmethod(torch.mean)

    @staticmethod
    def transpose(g, shape, dims, keepdim):
        n = _count(shape, dims)
        return _over(scale(g, 1 / n if n else math.nan), shape, dims)


def _count(shape: Sequence[int], dims: Axes) -> int:
    return torch.Size([n for i, n in enumerate(shape) if i in dims]).numel()


class Weighed(Layer):
    """A reduction with L = `weights`, in x's shape: g_in is g_out, broadcast, times the weights.

    For complex x, dx_out = sum weights dx, or its real part if x_out is real; g_in has the conjugate of the weights.
    """

    letters = {"x": "..."}
    opmath = "derivatives"

    @staticmethod
    def weights(x: Tensor, dims: Axes, *constants: Any) -> Tensor:
        raise NotImplementedError

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        x, dims, _, *constants = remembered
        g_in = times(_over(g, x.shape, dims), conj(cls.weights(x, dims, *constants)))
        return g_in, *(None for _ in needs[1:])

    @classmethod
    def jvp(cls, tangents: Sequence[Any], *inputs: Any) -> Any:
        x, dims, keepdim, *constants = inputs
        return sum(times(tangents[0], cls.weights(x, dims, *constants)), dims, keepdim)


class Var(Weighed):
    @staticmethod
    def forward(x, dims, keepdim, correction):
        return torch.var(x, dims, correction=correction, keepdim=keepdim)

    @staticmethod
    def weights(x, dims, correction):
        free = _count(x.shape, dims) - correction
        return scale(conj(minus(x, mean(x, dims, True))), 2 / free if free else math.inf)


class Std(Layer):
    """√ of `Var`. Where all x are equal, √ has no derivative, and PyTorch's is 0."""

    letters = {"x": "..."}

    @staticmethod
    def forward(x, dims, keepdim, correction):
        return torch.std(x, dims, correction=correction, keepdim=keepdim)

    @staticmethod
    def remember(needs, inputs, x_out):
        return x_out, *inputs

    @staticmethod
    def backward(needs, g, std, *inputs):
        return Var.backward(needs, _of_root(g, std), *inputs)

    @classmethod
    def jvp(cls, tangents, x, dims, keepdim, correction):
        return _of_root(Var.jvp(tangents, x, dims, keepdim, correction), cls.of(x, dims, keepdim, correction))


class StdBesideMean(Std):
    """As `torch.std_mean` computes it: exactly 0 where all x are equal, which `torch.std` rounds."""

    @staticmethod
    def forward(x, dims, keepdim, correction):
        return torch.std_mean(x, dims, correction=correction, keepdim=keepdim)[0]


def _of_root(g: Tensor, root: Tensor) -> Tensor:
    """g / 2√x of √x, and 0 where that is 0."""
    return keep(times(g, power(scale(root, 2), -1)), root.detach() != 0)


class Prod(Weighed):
    """Along one axis. All but x[j]: those before it times those after it. No division, so zeros are right."""

    autocast = "float32"

    @staticmethod
    def forward(x, dims, keepdim):
        return torch.prod(x, dims[0], keepdim) if dims else torch.prod(x)

    @staticmethod
    def weights(x, dims):
        if not dims:
            return torch.ones_like(x)
        (dim,) = dims
        return times(_before(x, dim), flip(_before(flip(x, dims), dim), dims))


def _before(x: Tensor, dim: int) -> Tensor:
    """The product of the entries before each."""
    widths = [0, 0] * (x.ndim - 1 - dim)
    return cumprod(pad(narrow(x, dim, 0, max(x.shape[dim] - 1, 0)), [*widths, min(x.shape[dim], 1), 0], value=1), dim)


class VectorNorm(Weighed):
    """For p that is not 0 or infinite. The derivative is 0 where x_out is 0, and for p < 1 also where x is 0."""

    title = "norm"
    autocast = "float32"

    @staticmethod
    def forward(x, dims, keepdim, p):
        return torch.linalg.vector_norm(x, p, dims or None, keepdim)

    @staticmethod
    def weights(x, dims, p):
        return conj(_norm_prime(x, dims, p))


def _norm_prime(x: Tensor, dims: Axes, p: float) -> Tensor:
    """The gradient of |x|."""
    if p == 1:
        return sign(x)
    norm = VectorNorm.of(x, dims, True, p)
    there = norm.detach() != 0
    if p == 2:  # not x times 1 / norm, which is infinite where norm is subnormal
        return keep(divide(x, norm), there.expand(x.shape))
    if p > 2:  # then |x|^(p-2) is 0 where norm is, and L' too
        norm = plus(keep(norm, there), (~there).to(norm.dtype))
        raised = times(x, power(absolute(x), p - 2))
    else:
        raised = times(power(absolute(x), p - 1), sign(x))
        raised = raised if p > 1 else keep(raised, x.detach() != 0)
    return times(raised, keep(power(norm, 1 - p), there))


class Equal(Layer):
    """x_out = choose(x), the value of some of x's entries: all that equal it share g evenly.

    `nans`: whether NaN equals NaN. If not, g_in is NaN, as for `torch.amax`.
    """

    letters = {"x": "..."}

    @staticmethod
    def forward(x, dims, keepdim, choose, nans):
        return choose(x)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, dims, _, _, nans = inputs
        return _equal(x, x_out, dims, nans), dims

    @staticmethod
    def backward(needs, g, mask, dims):
        return Share.of(_over(g, mask.shape, dims), mask, dims), None, None, None, None

    @staticmethod
    def jvp(tangents, x, dims, keepdim, choose, nans):
        mask = _equal(x, choose(x.detach()), dims, nans)
        return sum(Share.of(tangents[0], mask, dims), dims, keepdim)


class Share(LinearMap):
    """x_out = x / k at the k entries of each row that the mask has, else 0."""

    @staticmethod
    def forward(x, mask, dims):
        return x * mask.to(x.dtype) / mask.sum(dims, keepdim=True)

    @staticmethod
    def transpose(g, shape, mask, dims):
        return Share.of(g, mask, dims)


def _equal(x: Tensor, x_out: Tensor, dims: Axes, nans: bool) -> Tensor:
    x, value = x.detach(), x_out.detach()
    value = value if value.ndim == x.ndim else value.reshape([1 if i in dims else n for i, n in enumerate(x.shape)])
    return (x == value) | (x.isnan() & value.isnan()) if nans else x == value


def sum(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The sum over some axes or all, as `torch.sum`."""
    return Sum.of(x, axes(x, dim), keepdim)


def mean(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The mean over some axes or all, as `torch.mean`."""
    return Mean.of(x, axes(x, dim), keepdim)


def var(x: Tensor, dim: Dim = None, keepdim: bool = False, correction: float = 1) -> Tensor:
    """The variance over some axes or all, as `torch.var`."""
    check_floating("var", x=x)
    return Var.of(x, axes(x, dim), keepdim, correction)


def std(x: Tensor, dim: Dim = None, keepdim: bool = False, correction: float = 1) -> Tensor:
    """The standard deviation over some axes or all, as `torch.std`."""
    check_floating("std", x=x)
    return Std.of(x, axes(x, dim), keepdim, correction)


def std_beside_mean(x: Tensor, dim: Dim = None, keepdim: bool = False, correction: float = 1) -> Tensor:
    """The standard deviation over some axes or all, as `torch.std_mean`."""
    check_floating("std_mean", x=x)
    return StdBesideMean.of(x, axes(x, dim), keepdim, correction)


def prod(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
    """The product along one axis, as `torch.prod`."""
    return Prod.of(x, axes(x, dim), keepdim)


def amax(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest over some axes or all, as `torch.amax`: all that are as large share g evenly."""
    return Equal.of(x, axes(x, dim), keepdim, _by(torch.amax, dim, keepdim), False)


def amin(x: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest over some axes or all, as `torch.amin`: all that are as small share g evenly."""
    return Equal.of(x, axes(x, dim), keepdim, _by(torch.amin, dim, keepdim), False)


def _by(native: Callable, dim: Dim, keepdim: bool) -> Callable[[Tensor], Tensor]:
    dims = () if dim is None else dim  # as given: for an empty x, torch requires an explicit axis
    return lambda x: native(x, dims, keepdim)


def evenly(x: Tensor, choose: Callable[[Tensor], Tensor], dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The one of x's entries that `choose` takes over some axes or all: all that equal it share g evenly."""
    return Equal.of(x, axes(x, dim), keepdim, choose, True)


def vector_norm(x: Tensor, p: float = 2, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """(sum |x|^p)^(1/p) over some axes or all, as `torch.linalg.vector_norm`.

    For p = 0 the number of entries that are not 0, for ∞ the largest |x|, for -∞ the smallest.
    """
    check_floating("vector_norm", x=x)
    if p == 0:
        return sum(flat(x, lambda x: (x != 0).to(real_dtype(x))), dim, keepdim)
    if abs(p) == math.inf:
        return evenly(absolute(x), lambda x: torch.linalg.vector_norm(x, p, dim, keepdim), dim, keepdim)
    return VectorNorm.of(x, axes(x, dim), keepdim, p)
