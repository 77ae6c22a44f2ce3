"""Softmax: scores to probabilities, along one axis.

    s = softmax(x),  s[i] = exp(x[i]) / sum_j exp(x[j])       L = diag s - s s^T, which is its own transpose
    log_softmax(x) = x - logsumexp(x)                         L = I - 1 s^T
    logsumexp(x)   = log sum_j exp(x[j])                      L = s^T

Softmax remembers its x_out, s, which autograd returns with its derivative, this layer's again. So does logsumexp:
s = exp(x - x_out). log_softmax computes s from x in the backward pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.accepted_tensors import check_dense
from ...layer.base import cast
from ...layer.shape import axes
from ..core.arithmetic import minus, plus, scale, sum_along, times
from ..core.arrange import reshape
from ..core.cache_blocks import row_blocks
from ..core.complex import conj
from ..pointwise.pointwise import exp
from ..reduce.scan import AlongAxis


class Softmax(AlongAxis):
    fusible = True

    forward = staticmethod(torch.softmax)

    @staticmethod
    def remember(needs, inputs, x_out):
        return x_out, inputs[1]

    @staticmethod
    def backward(needs, g, s, dim):
        return _softmax_prime(g, conj(s), dim), None

    @staticmethod
    def backward_once(needs, g, s, dim):  # in blocks of rows: one pass over memory
        if s.ndim and dim % s.ndim == s.ndim - 1 and s.numel():
            N = s.shape[-1]
            g_in = torch.empty_like(s, memory_format=torch.contiguous_format)
            for g_, s_, into in row_blocks(*(t.reshape(-1, N) for t in (g, s, g_in))):
                _softmax_once(g_, s_, -1, into)
            return g_in, None
        return _softmax_once(g, s, dim), None

    @staticmethod
    def jvp(tangents, x, dim):
        return _softmax_prime(tangents[0], Softmax.of(x, dim), dim)


def _softmax_prime(g: Tensor, s: Tensor, dim: int) -> Tensor:
    """g L; and, L being its own transpose, L times a tangent."""
    sg = times(s, g)
    return minus(sg, times(s, sum_along(sg, dim)))


def _softmax_once(g: Tensor, s: Tensor, dim: int, into: Tensor | None = None) -> Tensor:
    sg = torch.mul(s, g, out=into)
    return sg.addcmul_(s, sg.sum(dim, keepdim=True), value=-1)


class LogSoftmax(AlongAxis):
    title = "log_softmax"

    forward = staticmethod(torch.log_softmax)

    @staticmethod
    def backward(needs, g, x, dim):
        return minus(g, times(conj(Softmax.of(x, dim)), sum_along(g, dim))), None

    @staticmethod
    def backward_once(needs, g, x, dim):  # in place: one tensor instead of four
        return x.softmax(dim).mul_(g.sum(dim, keepdim=True).neg_()).add_(g), None

    @staticmethod
    def jvp(tangents, x, dim):
        return minus(tangents[0], sum_along(times(Softmax.of(x, dim), tangents[0]), dim))


class FusedLogSoftmax(AlongAxis):
    """It remembers its x_out: s = exp(x_out), for which a compiler needs no further sum."""

    forward = staticmethod(torch.log_softmax)

    @staticmethod
    def remember(needs, inputs, x_out):
        return x_out, inputs[1]

    @staticmethod
    def backward(needs, g, x_out, dim):
        return minus(g, times(conj(exp(x_out)), sum_along(g, dim))), None


LogSoftmax.fused = FusedLogSoftmax


class LogSumExp(AlongAxis):
    @staticmethod
    def forward(x, dims):
        return x.logsumexp(dims, keepdim=True)

    @staticmethod
    def remember(needs, inputs, x_out):
        return inputs[0], x_out

    @staticmethod
    def backward(needs, g, x, x_out):
        return times(conj(exp(minus(x, x_out))), g), None

    @staticmethod
    def jvp(tangents, x, dims):
        return sum_along(times(exp(minus(x, LogSumExp.of(x, dims))), tangents[0]), dims)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """exp(x) / sum exp(x) along `dim`, as `torch.nn.functional.softmax`; in `dtype`, where it is given."""
    return Softmax.of(_in(dtype, input), _axis("softmax", dim, input, _stacklevel))


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """softmax(-x), as `torch.nn.functional.softmin`."""
    return Softmax.of(scale(_in(dtype, input), -1), _axis("softmin", dim, input, _stacklevel))


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """x - log sum exp(x) along `dim`, as `torch.nn.functional.log_softmax`; in `dtype`, where it is given."""
    return LogSoftmax.of(_in(dtype, input), _axis("log_softmax", dim, input, _stacklevel))


def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """log sum exp(x) along `dim`, as `torch.logsumexp`."""
    dims = axes(input, dim)
    x_out = LogSumExp.of(input, dims)
    return x_out if keepdim else reshape(x_out, [n for i, n in enumerate(input.shape) if i not in dims])


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((x + noise) / τ), as `torch.nn.functional.gumbel_softmax`: a draw from softmax(x), nearer to one-hot the
    smaller τ is. With `hard` it is one-hot, and its L that of the soft one."""
    if eps != 1e-10:
        warnings.warn("gumbel_softmax: eps is of no effect.", stacklevel=2)
    check_dense("gumbel_softmax", logits)  # before random numbers are drawn
    noise = torch.empty_like(logits, memory_format=torch.legacy_contiguous_format).exponential_().log().neg()
    soft = Softmax.of(scale(plus(logits, noise), 1 / tau), dim)
    if not hard:
        return soft
    s = soft.detach()
    return plus(soft, torch.zeros_like(s).scatter_(dim, s.argmax(dim, keepdim=True), 1) - s)


def _in(dtype: torch.dtype | None, x: Tensor) -> Tensor:
    return x if dtype is None else cast(x, dtype)


def _axis(name: str, dim: int | None, x: Tensor, stacklevel: int) -> int:
    if dim is None:  # torch's own choice, with its own warning
        return native._get_softmax_dim(name, x.ndim, stacklevel + 1)  # type: ignore[attr-defined]
    return dim
