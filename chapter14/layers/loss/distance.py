"""Distances, and cosine similarity.

    length               |d| = (sum_i |d_i|^p)^(1/p)          L = u^T,  u_i = sign d_i (|d_i| / |d|)^(p - 1)
    pairwise_distance    |a - b + ε|, row by row
    cdist                |a_i - b_j|, each row of a from each row of b
    pdist                |x_i - x_j| where i < j
    cosine_similarity    c = <a, b> / (|a| |b|)               g_a = g (b / |b| - c a / |a|) / |a|

Where d is 0, |d| has no derivative; here it is 0, as in torch. The points are remembered, not their differences.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import added, gate, minus, plus, power, scale, shift, sum_along, times
from ..core.arrange import put, reshape, take, transpose
from ..core.branch import broadcast_to
from ..core.complex import conj
from ..core.linear_maps import IdentityMap
from ..linear.matmul import matmul
from ..pointwise.binary import divide
from ..pointwise.pointwise import absolute, sign
from ..reduce.reduce import vector_norm
from .loss import in_one_shape


class Length(Layer):
    """|x| along one axis, whose size becomes 1."""

    autocast = "float32"
    letters = {"x": "..."}
    opmath = "derivatives"

    @staticmethod
    def forward(x, p, dim):
        return torch.linalg.vector_norm(x, p, dim, keepdim=True)

    @staticmethod
    def backward(needs, g, x, p, dim):
        return times(g, _direction(x, p, dim)), None, None

    @staticmethod
    def jvp(tangents, x, p, dim):
        return sum_along(times(tangents[0], conj(_direction(x, p, dim))), dim)


def _direction(d: Tensor, p: float, dim: int = -1) -> Tensor:
    """u. Equal largest entries (p = ∞) share the gradient evenly."""
    if p == 0 or not d.numel():
        return torch.zeros_like(d)
    if p == 1:
        return sign(d)
    if math.isinf(p):
        size = d.detach().abs()
        ends = (size == (size.amax(dim, keepdim=True) if p > 0 else size.amin(dim, keepdim=True))) | size.isnan()
        return times(sign(d), ends / ends.sum(dim, keepdim=True))
    n = Length.of(d, p, dim)
    if p == 2:  # not d times 1 / |d|, which is infinite where |d| is subnormal
        return divide(d, plus(n, torch.zeros_like(n.detach()).masked_fill(n.detach() == 0, math.inf)))
    return times(times(d, _power(absolute(d), p - 2)), _power(n, 1 - p))


def _power(x: Tensor, p: float) -> Tensor:
    """x^p; where x is 0, it and all its derivatives are 0."""
    there = x.detach() != 0
    return gate(power(plus(x, (~there).to(x.dtype)), p), there)


class Floor(IdentityMap):
    """x, but at least c. L is I everywhere, as in PyTorch's clamps against division by 0."""

    @staticmethod
    def forward(x, c):
        return x.clamp(min=c)


class Cosine(Layer):
    """<a, b> / (|a| |b|), with |a| and |b| at least ε."""

    autocast = "float32"
    title = "cosine_similarity"
    letters = {"a": "...", "b": "..."}
    opmath = "derivatives"

    forward = staticmethod(native.cosine_similarity)

    @staticmethod
    def backward(needs, g, a, b, dim, eps):
        g = reshape(g, _kept(a, dim))
        by_a, by_b = _cosine_prime(needs, a, b, dim, eps)
        return by_a if by_a is None else times(g, by_a), by_b if by_b is None else times(g, by_b), None, None

    @staticmethod
    def jvp(tangents, a, b, dim, eps):
        slopes = _cosine_prime([t is not None for t in tangents], a, b, dim, eps)
        terms = [times(t, s) for t, s in zip(tangents[:2], slopes, strict=True) if t is not None]
        return _dropped(sum_along(added(*terms), dim), dim)


def _cosine_prime(needs, a, b, dim, eps):
    r_a, r_b = (power(Floor.of(Length.of(x, 2, dim), eps), -1) for x in (a, b))
    a_hat, b_hat = times(a, r_a), times(b, r_b)
    c = sum_along(times(a_hat, b_hat), dim)
    return (
        times(r_a, minus(b_hat, times(c, _direction(a, 2, dim)))) if needs[0] else None,
        times(r_b, minus(a_hat, times(c, _direction(b, 2, dim)))) if needs[1] else None,
    )


def _kept(x: Tensor, dim: int) -> tuple[int, ...]:
    """x's shape, with one at that axis."""
    return tuple(1 if i == dim % x.ndim else n for i, n in enumerate(x.shape)) if x.ndim else ()


def _dropped(x: Tensor, dim: int) -> Tensor:
    """x without that axis, of size 1."""
    return reshape(x, [n for i, n in enumerate(x.shape) if i != dim % x.ndim]) if x.ndim else x


class Cdist(Layer):
    """a [..., P, M], b [..., R, M] → [..., P, R]. It uses products instead of differences where torch does."""

    autocast = "float32"
    letters = {"a": "... P M", "b": "... R M"}
    opmath = "derivatives"

    forward = staticmethod(torch.cdist)

    @staticmethod
    def backward(needs, g, a, b, p, mode):
        if _by_products(a, b, p, mode):
            w = times(g, _power(Cdist.of(a, b, p, mode), -1))
            by_a = minus(times(a, sum_along(w, -1)), matmul(w, b)) if needs[0] else None
            w = transpose(w)
            return by_a, minus(times(b, sum_along(w, -1)), matmul(w, a)) if needs[1] else None, None, None
        each = times(_column(g), _direction(_differences(a, b), p))
        return (
            reshape(sum_along(each, -2), a.shape) if needs[0] else None,
            scale(reshape(sum_along(each, -3), b.shape), -1) if needs[1] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, a, b, p, mode):
        da, db = tangents[:2]
        da = torch.zeros_like(a) if da is None else da
        db = torch.zeros_like(b) if db is None else db
        return _dropped(sum_along(times(_differences(da, db), _direction(_differences(a, b), p)), -1), -1)


def _by_products(a: Tensor, b: Tensor, p: float, mode: str) -> bool:
    many = a.shape[-2] > 25 or b.shape[-2] > 25
    return p == 2 and (mode == "use_mm_for_euclid_dist" or (mode == _IF_NECESSARY and many))


_IF_NECESSARY = "use_mm_for_euclid_dist_if_necessary"


def _differences(a: Tensor, b: Tensor) -> Tensor:
    """a_i - b_j: [..., P, R, M]."""
    return minus(reshape(a, (*a.shape[:-1], 1, a.shape[-1])), reshape(b, (*b.shape[:-2], 1, *b.shape[-2:])))


def _column(g: Tensor) -> Tensor:
    return reshape(g, (*g.shape, 1))


class Pdist(Layer):
    letters = {"x": "N M"}
    opmath = "derivatives"

    forward = staticmethod(native.pdist)

    @staticmethod
    def backward(needs, g, x, p):
        i, j = _pairs(x)
        each = times(_column(g), _direction(minus(take(x, i), take(x, j)), p))
        return minus(put(each, i, 0, x.shape[0]), put(each, j, 0, x.shape[0])), None

    @staticmethod
    def jvp(tangents, x, p):
        i, j = _pairs(x)
        d, u = (minus(take(t, i), take(t, j)) for t in (tangents[0], x))
        return _dropped(sum_along(times(d, _direction(u, p)), -1), -1)


def _pairs(x: Tensor) -> tuple[Tensor, Tensor]:
    i, j = torch.triu_indices(x.shape[0], x.shape[0], 1, device=x.device)
    return i, j


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """|x1 - x2 + eps| along the last axis: x1, x2 [..., M] → [...]. As `torch.nn.functional.pairwise_distance`."""
    d = vector_norm(shift(minus(x1, x2), eps), p, -1, True)
    return d if keepdim else _dropped(d, -1)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = _IF_NECESSARY) -> Tensor:
    """Each row of x1 from each row of x2: [..., P, M], [..., R, M] → [..., P, R]. As `torch.cdist`."""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"cdist: it expects x1 [..., P, M], x2 [..., R, M]; {was_given(x1=x1, x2=x2)}")
    batch = torch.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    return Cdist.of(*(broadcast_to(x, (*batch, *x.shape[-2:])) for x in (x1, x2)), p, compute_mode or _IF_NECESSARY)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Each row of input from each that follows: [N, M] → [N (N - 1) / 2]. As `torch.nn.functional.pdist`."""
    return Pdist.of(input, p)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """<x1, x2> / (|x1| |x2|) along `dim`; they broadcast. As `torch.nn.functional.cosine_similarity`."""
    if not (x1.is_floating_point() or x2.is_floating_point()):
        raise RuntimeError(f"cosine_similarity: it expects floating-point tensors; {was_given(x1=x1, x2=x2)}")
    return Cosine.of(*in_one_shape(x1, x2), dim, eps)
