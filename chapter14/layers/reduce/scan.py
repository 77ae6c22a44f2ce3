"""Scans: entry k of x_out depends on x_in's entries up to k.

    cumsum        y[k] = y[k-1] + x[k]
    cumprod       y[k] = y[k-1] x[k]
    recur         y[k] = a[k] y[k-1] + x[k]         with y[-1] = 0: cumsum has a = 1
    logcumsumexp  y[k] = log(e^y[k-1] + e^x[k])

Each backward pass is a recurrence from the end, t[k] = g_out[k] + a[k+1] t[k+1]: recur, reversed.

    recur         dJ/dx[k] = t[k],  dJ/da[k] = t[k] y[k-1]
    cumprod       a = x:                      g_in[k] = t[k] y[k-1]
    logcumsumexp  a[k+1] = e^(y[k] - y[k+1]): g_in[k] = t[k] e^(x[k] - y[k])
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap
from ...layer.shape import ShapeError, axes, was_given
from ..core.arithmetic import added, keep, minus, times
from ..core.arrange import axis, flip, narrow, pad, reshape
from ..core.complex import conj, conjugates
from ..pointwise.pointwise import exp


class CumSum(LinearMap):
    autocast = "float32"

    forward = staticmethod(torch.cumsum)

    @staticmethod
    def transpose(g, shape, dim):
        return flip(cumsum(flip(g, (dim,)), dim), (dim,))


class Recur(Layer):
    """In log n steps (Hillis and Steele): step i adds to each y the one 2^i before it, times the a between them.

    In low precision it is sequential: products of many a overflow float16 where y does not.
    """

    letters = {"a": "...", "x": "..."}
    opmath = "derivatives"

    @staticmethod
    def forward(a, x, dim):
        n, reach = x.shape[dim], 1
        if x.dtype.itemsize < 4 and n > 1:
            y = list(x.unbind(dim))
            for k, a_k in enumerate(a.unbind(dim)[1:], 1):
                y[k] = a_k * y[k - 1] + y[k]
            return torch.stack(y, dim)
        while reach < n:
            early, tail = x.narrow(dim, 0, n - reach), a.narrow(dim, reach, n - reach)
            x = torch.cat([x.narrow(dim, 0, reach), x.narrow(dim, reach, n - reach) + tail * early], dim)
            a = torch.cat([a.narrow(dim, 0, reach), tail * a.narrow(dim, 0, n - reach)], dim)
            reach *= 2
        return x if n > 1 else x.clone()

    @staticmethod
    def remember(needs, inputs, x_out):
        a, x, dim = inputs
        return a, x if needs[0] else None, dim

    @staticmethod
    def backward(needs, g, a, x, dim):
        a, x = conjugates(a, x)
        t = flip(recur(flip(_after(a, dim), (dim,)), flip(g, (dim,)), dim), (dim,))
        return times(t, _shifted(recur(a, x, dim), dim)) if needs[0] else None, t if needs[1] else None, None

    @staticmethod
    def jvp(tangents, a, x, dim):
        da, dx, _ = tangents
        return recur(a, added(dx, None if da is None else times(da, _shifted(recur(a, x, dim), dim))), dim)


class AlongAxis(Layer):
    """A layer of the entries along one axis."""

    autocast = "float32"
    letters = {"x": "..."}
    opmath = "derivatives"


class CumProd(AlongAxis):
    forward = staticmethod(torch.cumprod)

    @staticmethod
    def backward(needs, g, x, dim):
        x = conj(x)
        t = flip(recur(flip(_after(x, dim), (dim,)), flip(g, (dim,)), dim), (dim,))
        return times(t, _shifted(cumprod(x, dim), dim, 1)), None

    @staticmethod
    def jvp(tangents, x, dim):
        return recur(x, times(tangents[0], _shifted(cumprod(x, dim), dim, 1)), dim)


class LogCumSumExp(AlongAxis):
    forward = staticmethod(torch.logcumsumexp)

    @staticmethod
    def backward(needs, g, x, dim):
        x, y = conjugates(x, logcumsumexp(x, dim))
        t = flip(recur(flip(_after(_kept_of(y, dim), dim), (dim,)), flip(g, (dim,)), dim), (dim,))
        return times(t, exp(minus(x, y))), None

    @staticmethod
    def jvp(tangents, x, dim):
        y = logcumsumexp(x, dim)
        new = keep(exp(minus(x, y)), x.detach() != -math.inf)
        return recur(_kept_of(y, dim), times(tangents[0], new), dim)


def _kept_of(y: Tensor, dim: int) -> Tensor:
    """e^(y[k-1] - y[k]) at k; where both are the same infinity, 1."""
    before = _shifted(y, dim, -math.inf)
    equal = (before.detach() == y.detach()) & y.detach().isinf()
    return exp(keep(minus(before, y), ~equal))


def _shifted(x: Tensor, dim: int, first: float = 0) -> Tensor:
    """x[k-1] at k, and `first` at 0."""
    n = x.shape[dim]
    return pad(narrow(x, dim, 0, n - 1), [*[0, 0] * (x.ndim - 1 - dim), 1, 0], value=first) if n else x


def _after(x: Tensor, dim: int) -> Tensor:
    """x[k+1] at k, and 0 at the end."""
    n = x.shape[dim]
    return pad(narrow(x, dim, 1, n - 1), [*[0, 0] * (x.ndim - 1 - dim), 0, 1]) if n else x


def _along(scan: Callable[[Tensor, int], Tensor], x: Tensor, dim: int) -> Tensor:
    """A number is a sequence of one."""
    named = axes(x, dim)
    return scan(x, *named) if x.ndim else reshape(scan(reshape(x, (1,)), 0), ())


def cumsum(x: Tensor, dim: int) -> Tensor:
    """The sum of the entries so far along one axis, as `torch.cumsum`."""
    return _along(CumSum.of, x, dim)


def cumprod(x: Tensor, dim: int) -> Tensor:
    """The product of the entries so far along one axis, as `torch.cumprod`."""
    return _along(CumProd.of, x, dim)


def logcumsumexp(x: Tensor, dim: int) -> Tensor:
    """log of the sum of exp of the entries so far along one axis, as `torch.logcumsumexp`."""
    return _along(LogCumSumExp.of, x, dim)


def recur(a: Tensor, x: Tensor, dim: int = -1) -> Tensor:
    """y[k] = a[k] y[k-1] + x[k] along one axis, with y[-1] = 0: a linear recurrence.

    Raises:
        ShapeError: a and x differ in shape.
    """
    if a.shape != x.shape:
        raise ShapeError(f"recur: a and x have one shape; {was_given(a=a, x=x)}")
    return Recur.of(a, x, axis(x, dim))
