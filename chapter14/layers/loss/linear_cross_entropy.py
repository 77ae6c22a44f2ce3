"""Cross entropy of a linear layer (14.12), computed in chunks of datapoints: the scores are never held for all at once.

    z     = W x + b                    [C] = [C x N][N] + [C]
    J     = -sum_c q[c] log s[c]       s = softmax(z); q the target, w[y] at y, or w times probabilities
    g_z   = g (Q s - q)                [C], Q = sum q
    g_in  = g_z W                      (14.18)
    dJ/dW = g_z^T x                    (14.29), over the datapoints their sum (14.11)

With many classes, z is by far the largest tensor, and s and g_z are as large. If J is one number, g is the same for all
datapoints: the forward pass computes g_in, dJ/dW and dJ/db for g = 1 from each chunk of z, and the backward pass
multiplies them by g. If J is one number a datapoint, the backward pass computes each chunk of z again. A backward pass
that is differentiated uses `linear` and `softmax` of the whole z instead, as saved gradients have no derivative.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer, cast
from ...layer.modes import autocasting, is_eager
from ...layer.precision import as_autocast
from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import minus, times
from ..core.arrange import reshape
from ..linear.linear import Linear, gradient_factors, linear
from ..norm.softmax import softmax
from .cross_entropy import counts, cross_entropy

#: Scores in a chunk: in float32, 32 megabytes. With fewer, dJ/dW is read and written too often.
SCORES = 2**23


class Classes(NamedTuple):
    """q of some datapoints: a at y, plus v, the same for all that count; k is 1 for these and 0 for ignored ones."""

    y: Tensor
    k: Tensor
    a: Tensor
    v: Tensor | None

    @classmethod
    def of(cls, y: Tensor, like: Tensor, weight: Tensor | None, ignored: int, smoothing: float) -> tuple[Classes, Any]:
        """The target, and the share of each datapoint in the mean."""
        w_y = counts(y, weight, ignored, like.dtype)
        v = None
        if smoothing:
            v = (like.new_ones(like.shape[1]) if weight is None else weight.to(like)) * (smoothing / like.shape[1])
        k = y != ignored
        return cls(torch.where(k, y, 0), k.to(like), w_y * (1 - smoothing), v), 1 / w_y.sum()

    def split(self, rows: int) -> Iterator[Classes]:
        parts = zip(*(t.split(rows) for t in (self.y, self.k, self.a)), strict=True)
        return (Classes(y, k, a, self.v) for y, k, a in parts)

    def J(self, logs: Tensor) -> Tensor:
        """-sum_c q[c] log s[c]: log s [B, C] → [B]."""
        J = logs.gather(1, self.y.unsqueeze(1)).squeeze(1).mul_(-self.a)
        if self.v is not None:
            J -= self.k * (logs @ self.v)
        return torch.where(self.k > 0, J, 0)

    def into_g_z(self, s: Tensor, g: Tensor) -> Tensor:
        """s [B, C], g [B] → g (Q s - q) [B, C], in the memory of s."""
        y, a, k = self.y.unsqueeze(1), (self.a * g).unsqueeze(1), (self.k * g).unsqueeze(1)
        if self.v is None:
            return s.mul_(a).scatter_add_(1, y, -a)
        return s.mul_(a + k * self.v.sum()).addcmul_(k, self.v, value=-1).scatter_add_(1, y, -a)

    def counted(self, share: Any) -> Tensor:
        """The share [B] of each datapoint in the mean; 0 for an ignored one."""
        return torch.where(self.k > 0, self.k * share, 0)

    def q(self, like: Tensor) -> Tensor:
        q = like.new_zeros(like.shape) if self.v is None else self.k.unsqueeze(1) * self.v
        return q.scatter_add(1, self.y.unsqueeze(1), self.a.unsqueeze(1))


class Probabilities(NamedTuple):
    """q of some datapoints: w times p, p [B, C] smoothed."""

    p: Tensor
    w: Tensor | None
    smoothing: float

    @classmethod
    def of(cls, p: Tensor, like: Tensor, weight: Tensor | None, smoothing: float) -> tuple[Probabilities, Any]:
        """The target, and the share of each datapoint in the mean."""
        return cls(p, None if weight is None else weight.to(like), smoothing), 1 / len(p) if len(p) else math.nan

    def split(self, rows: int) -> Iterator[Probabilities]:
        return (Probabilities(p, *self[1:]) for p in self.p.split(rows))

    def J(self, logs: Tensor) -> Tensor:
        return -(logs * self.q(logs)).sum(1)

    def into_g_z(self, s: Tensor, g: Tensor) -> Tensor:
        q = self.q(s)
        return s.mul_(q.sum(1, keepdim=True)).sub_(q).mul_(g.unsqueeze(1))

    def counted(self, share: Any) -> Tensor:
        wide = torch.promote_types(self.p.dtype, torch.float32)
        return torch.full((len(self.p),), share, dtype=wide, device=self.p.device)

    def q(self, like: Tensor) -> Tensor:
        p = self.p.to(like)
        if self.smoothing:
            p = p * (1 - self.smoothing) + self.smoothing / p.shape[1]
        return p if self.w is None else p * self.w


def the_target(y: Tensor, like: Tensor, weight: Tensor | None, ignored: int, smoothing: float) -> tuple[Any, Any]:
    if y.is_floating_point():
        return Probabilities.of(y, like, weight, smoothing)
    return Classes.of(y, like, weight, ignored, smoothing)


class Ahead:
    """dJ/dx, dJ/dW and dJ/db for g = 1, where needed: `forward` stores them here for `remember`."""

    def __init__(self, *inputs: Tensor | None):
        self.needs = [t is not None and t.requires_grad for t in inputs]
        self.gradients: Sequence[Tensor | None] = (None, None, None)


class LinearCrossEntropy(Layer):
    """x [B, N], W [C, N], b [C] or None → J [], or [B] without reduction; in float32 or wider."""

    title = "linear_cross_entropy"
    letters = {"x": "B N", "W": "C N", "b": "C"}

    @staticmethod
    def forward(x, W, b, y, weight, ignored, smoothing, reduction, ahead):
        like = _like_scores(x, W)
        target, share = the_target(y, like, weight, ignored, smoothing)
        share = share if reduction == "mean" else 1.0
        g = None if ahead is None else target.counted(share)
        needs = (False,) * 3 if ahead is None else ahead.needs
        J, *gradients = _in_chunks(x, W, b, target, g, needs)
        if ahead is not None:
            ahead.gradients = gradients
        return J if reduction == "none" else J.sum() * share

    @staticmethod
    def remember(needs, inputs, x_out):
        *given, ahead = inputs
        return *given, *((None, None, None) if ahead is None else ahead.gradients)

    @staticmethod
    def backward(needs, g, x, W, b, y, weight, ignored, smoothing, reduction, *ahead):
        z = cast(linear(x, W, b), torch.promote_types(x.dtype, torch.float32))
        target, share = the_target(y, z.detach(), weight, ignored, smoothing)
        q = target.q(z.detach())
        if reduction != "none":
            g = times(g, target.counted(share if reduction == "mean" else 1.0))
        g_z = times(reshape(g, (z.shape[0], 1)), minus(times(softmax(z, 1), q.sum(1, keepdim=True)), q))
        return *Linear.backward(needs, cast(g_z, x.dtype), x, W), *(None,) * 6

    @staticmethod
    def backward_once(needs, g, x, W, b, y, weight, ignored, smoothing, reduction, *ahead):  # without the whole z
        if reduction == "none":
            target, _ = the_target(y, _like_scores(x, W), weight, ignored, smoothing)
            _, *gradients = _in_chunks(x, W, b, target, g, needs)
            return *gradients, *(None,) * 6
        return *(d * g.to(d) if need else None for d, need in zip(ahead, needs[:3], strict=True)), *(None,) * 6


def _like_scores(x: Tensor, W: Tensor) -> Tensor:
    """A tensor of the scores' shape and dtype that takes no memory."""
    return x.new_empty((), dtype=torch.promote_types(x.dtype, torch.float32)).expand(len(x), len(W))


def _in_chunks(
    x: Tensor, W: Tensor, b: Tensor | None, target: Any, g: Tensor | None, needs: Sequence[bool]
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """J [B]; and for g [B], dJ/dx, dJ/dW and dJ/db, where needed."""
    like = _like_scores(x, W)
    rows = max(1, SCORES // max(len(W), 1))
    J, z = like.new_empty(len(x)), like.new_empty(min(rows, len(x)), len(W))
    g_x = torch.empty_like(x) if needs[0] else None
    g_W = torch.zeros_like(W, dtype=like.dtype) if needs[1] else None
    g_b = torch.zeros_like(W[:, 0], dtype=like.dtype) if needs[2] else None
    for i, some in enumerate(target.split(rows)):
        at = slice(i * rows, (i + 1) * rows)
        logs = z[: len(x[at])]
        if x.dtype == like.dtype:
            torch.mm(x[at], W.t(), out=logs) if b is None else torch.addmm(b, x[at], W.t(), out=logs)
        else:
            logs.copy_(native.linear(x[at], W, b))
        J[at] = some.J(torch.log_softmax(logs, 1, out=logs))
        if g is None or not any(needs):
            continue
        g_z = some.into_g_z(logs.exp_(), g[at])
        if g_b is not None:
            g_b += g_z.sum(0)
        by_x, by_W, _ = gradient_factors(g_z.to(x.dtype), x[at], W)
        if g_x is not None:
            torch.mm(*by_x, out=g_x[at])
        if g_W is not None and g_W.dtype == x.dtype:
            g_W.addmm_(*by_W)
        elif g_W is not None:
            g_W += torch.mm(*by_W)
    return J, g_x, None if g_W is None else g_W.to(W.dtype), None if g_b is None else g_b.to(W.dtype)


def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
    weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0, options: Any = None,
) -> Tensor:  # fmt: skip
    """`cross_entropy` of `linear`: input [B, N] or [N], linear_weight [C, *, N], linear_bias [C, *], target [B, *].

    As `torch.nn.functional.linear_cross_entropy`. The scores [B, C] are computed in chunks, whatever PyTorch's
    `options` are. They are computed at once for derivatives of higher order, in forward mode, under torch.func and
    torch.compile, with axes *, or if a target of probabilities requires a gradient.
    """
    C, *places, N = linear_weight.shape if linear_weight.ndim > 1 else (0, 0)
    fits = linear_weight.ndim > 1 and input.ndim in (1, 2) and input.shape[-1] == N and not (places and input.ndim == 1)
    if not fits or (linear_bias is not None and linear_bias.shape != (C, *places)):
        raise ShapeError(
            "linear_cross_entropy: it expects input [B, N], linear_weight [C, *, N], linear_bias [C, *], or input [N] "
            f"and no *; {was_given(input=input, linear_weight=linear_weight, linear_bias=linear_bias)}"
        )
    scores = (*input.shape[:-1], C, *places)
    if target.shape == scores and ignore_index is not None:
        raise RuntimeError("linear_cross_entropy: ignore_index is for targets of classes; it was given probabilities.")
    ignored = -100 if ignore_index is None else ignore_index
    how: Any = {"reduction": reduction, "ignore_index": ignored, "label_smoothing": label_smoothing}
    floats = [t for t in (input, linear_weight, linear_bias) if t is not None]
    usual = _is_usual(floats, target, weight, reduction, label_smoothing) and not places
    if usual and is_eager(*floats, target, weight):
        return _chunked(input, linear_weight, linear_bias, target, weight, **how)
    M = math.prod((C, *places))
    b = None if linear_bias is None else reshape(linear_bias, (M,))
    x = reshape(linear(input, reshape(linear_weight, (M, N)), b), scores)
    return cross_entropy(x, target, weight, **how)


def _is_usual(given: Sequence[Tensor], y: Tensor, weight: Tensor | None, reduction: str, smoothing: float) -> bool:
    """Whether `linear` and `cross_entropy` accept the inputs, and neither y nor the weight requires a gradient."""
    x, W, *_ = given
    kinds = {(t.dtype, t.device) for t in given}
    floats = x.is_floating_point() and (len(kinds) == 1 or autocasting())
    of_classes = y.dtype == torch.int64 and y.shape == x.shape[:-1]
    of_probabilities = y.is_floating_point() and y.shape == (*x.shape[:-1], len(W)) and not y.requires_grad
    fits = weight is None or (weight.shape == W.shape[:1] and not weight.requires_grad)
    allowed = reduction in ("none", "mean", "sum") and 0 <= smoothing <= 1
    return floats and (of_classes or of_probabilities) and fits and allowed


def _chunked(
    x: Tensor, W: Tensor, b: Tensor | None, y: Tensor, weight: Tensor | None, reduction: str, ignore_index: int,
    label_smoothing: float,
) -> Tensor:  # fmt: skip
    B, dtype = x.shape[:-1], x.dtype
    if autocasting():
        x, W, b = as_autocast("lower", (x, W, b), cast)
        dtype = torch.promote_types(x.dtype, torch.float32)
    if x.ndim == 1:
        x, y = reshape(x, (1, len(x))), y.unsqueeze(0)
    ahead = None
    if reduction != "none" and torch.is_grad_enabled():
        ahead = Ahead(x, W, b)
        ahead = ahead if any(ahead.needs) else None
    J = LinearCrossEntropy.of(x, W, b, y, weight, ignore_index, label_smoothing, reduction, ahead)
    J = reshape(J, B) if reduction == "none" else J
    return cast(J, dtype)
