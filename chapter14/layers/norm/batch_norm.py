"""Batch norm: each channel by its mean and variance over the batch and the places, or by the running statistics.

    training     x_out = x^ w + b                       `standardize` has its L
    evaluation   x_out = (x - μ) r w + b                affine: μ and r are constants

Instance norm by running statistics is the same affine layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ...layer.modes import compiling, is_eager
from ...layer.precision import is_low
from ...layer.shape import ShapeError, check_floating, was_given
from ..core import cache_blocks
from ..core.arithmetic import added, minus, sum_to_channels, times
from ..core.arrange import narrow, reshape
from ..core.branch import broadcast_to
from ..core.cast import clone
from .layer_norm import InstanceNorm
from .standardize import FusedNorm, Norm, NormFrame


class BatchNorm(Norm):
    """`forward` updates the running statistics, which have no gradient."""

    title = "batch_norm"
    aside = 3

    @staticmethod
    def forward(x, w, b, running_mean, running_var, momentum, eps):
        running = running_mean, running_var
        if _is_large(x, w, b, *running) and (x_out := _in_few_passes(x, w, b, running, momentum, eps)) is not None:
            return x_out
        return native.batch_norm(x, *running, w, b, True, momentum, eps)

    @staticmethod
    def frame(shape, eps):
        B, C = shape[:2]
        return NormFrame((B, C, math.prod(shape[2:])), (C, 1), (0, 2), eps)

    @classmethod
    def few_passes(cls, needs, g, x, w, eps):
        g_in, (B, C, S) = torch.empty_like(x) if needs[0] else None, x.shape
        block = cache_blocks.BLOCK
        if x.numel() > block and x.stride(1) == g.stride(1) == 1 and x.device.type == "cpu":
            into = g_in if g_in is None else _as_rows(g_in)
            return g_in, *_by_rows(_as_rows(g), _as_rows(x), into, w, eps)
        channels = max(1, block // (B * S)) if x.device.type == "cpu" else C
        g_w, g_b = x.new_empty(C, 1), x.new_empty(C, 1)
        for start in range(0, C, channels):
            part = slice(start, start + channels)
            into, w_ = (t if t is None else t[..., part, :] for t in (g_in, w))
            g_w[part], g_b[part] = _by_channels(g[:, part], x[:, part], into, w_, eps)
        return g_in, g_w, g_b


def _is_large(x: Tensor, *others: Tensor | None) -> bool:
    """Whether plain operations are faster than PyTorch's kernel, which sums floats in double precision."""
    if x.numel() < 2**19 or not x.is_contiguous() or x.device.type != "cpu" or not is_eager(x, *others):
        return False
    return all(t is None or t.dtype == torch.float32 for t in (x, *others))


def _in_few_passes(
    x: Tensor, w: Tensor | None, b: Tensor | None, running: Sequence[Tensor | None], momentum: float, eps: float
) -> Tensor | None:
    """x_out in half the time of PyTorch's kernel; None where the squares of x overflow."""
    n = x.numel() // x.shape[1]
    mean, c, rest, variance = _centred(x.flatten(2))
    if not variance.isfinite().all():
        return None
    for statistic, now in zip(running, (mean + rest, variance * (n / (n - 1))), strict=True):
        if statistic is not None:
            statistic.lerp_(now, momentum)
    return native.batch_norm(c, rest, variance, w, b, False, 0.0, eps).view(x.shape)


def _centred(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of x [B, C, S]: a mean μ [C], c = x - μ, the mean of c, which is rounding, and the variance of x [C].

    μ is rounded at the size of x, which may be many times its spread.
    """
    n = x.shape[0] * x.shape[2]
    mean = x.sum((0, 2)).div_(n)
    c = x - mean.unsqueeze(1)
    rest = c.sum((0, 2)).div_(n)
    squares = torch.linalg.vector_norm(c, 2, 2).square_().sum(0)
    return mean, c, rest, squares.div_(n).addcmul_(rest, rest, value=-1)


def _as_rows(x: Tensor) -> Tensor:
    """[B, C, S] → [B S, C], of the same memory."""
    return x.transpose(1, 2).reshape(-1, x.shape[1])


def _by_channels(g: Tensor, x: Tensor, into: Tensor | None, w: Tensor | None, eps: float) -> tuple[Tensor, Tensor]:
    """dJ/dw and dJ/db of some channels, and g_in, written `into`; [B, C, S], w [C, 1]."""
    n = x.shape[0] * x.shape[2]
    _, c, rest, variance = _centred(x)
    r, g_b = variance.add_(eps).rsqrt_(), g.sum((0, 2))
    g_w = torch.mul(g, c, out=into).sum((0, 2)).addcmul_(rest, g_b, value=-1).mul_(r)
    if into is not None:  # r w (g - mean g - x^ mean(g x^)), and x^ = (c - rest) r
        a = r if w is None else w.squeeze(1) * r
        by_c = (g_w * a).mul_(r).div_(-n)
        shift = (g_b * a).div_(-n).addcmul_(by_c, rest, value=-1)
        torch.addcmul(shift.unsqueeze(1), g, a.unsqueeze(1), out=into).addcmul_(c, by_c.unsqueeze(1))
    return g_w.unsqueeze(1), g_b.unsqueeze(1)


def _by_rows(g: Tensor, x: Tensor, into: Tensor | None, w: Tensor | None, eps: float) -> tuple[Tensor, Tensor]:
    """The same of all channels, where those of a place lie side by side in memory: [B S, C], in blocks of rows."""
    n, C = x.shape
    rows = max(1, cache_blocks.BLOCK // C)
    mean, (c, product) = x.sum(0).div_(n), x.new_empty(2, min(rows, n), C)
    sums = x.new_zeros(4, C)  # of c = x - mean, c², g c and g
    for x_, g_ in zip(x.split(rows), g.split(rows), strict=True):
        c_, product_ = torch.sub(x_, mean, out=c[: len(x_)]), product[: len(x_)]
        sums[0] += c_.sum(0)
        sums[1] += torch.square(c_, out=product_).sum(0)
        sums[2] += torch.mul(g_, c_, out=product_).sum(0)
        sums[3] += g_.sum(0)
    rest = sums[0] / n  # the mean of x is rounded at the size of x, which may be many times its spread
    r = (sums[1] / n - rest * rest).add_(eps).rsqrt_()
    g_w, g_b = (sums[2] - rest * sums[3]) * r, sums[3]
    if into is not None:
        a = r if w is None else w.flatten() * r
        by_c = g_w * a * r / -n
        shift = g_b * a / -n - by_c * rest
        for x_, g_, into_ in zip(x.split(rows), g.split(rows), into.split(rows), strict=True):
            torch.addcmul(shift, g_, a, out=into_).addcmul_(torch.sub(x_, mean, out=c[: len(x_)]), by_c)
    return g_w, g_b


class FusedBatchNorm(FusedNorm):
    aside = 3

    @staticmethod
    def forward(x, w, b, running_mean, running_var, momentum, eps):
        x_out, mean, r = torch.native_batch_norm(x, w, b, running_mean, running_var, True, momentum, eps)
        return x_out, r, mean

    @staticmethod
    def frame(shape, eps):  # without a view of x, which may be in either memory format
        places = range(2, len(shape))
        return NormFrame(shape, (shape[1], *(1 for _ in places)), (0, *places), eps)


BatchNorm.fused = FusedBatchNorm


class BatchNormAtRest(Layer):
    """x_out = (x - μ) r w + b, where μ and r = (variance + ε)^(-1/2) are constants: L^x = diag r w, L^w = (x - μ) r.

    It saves no new tensors: w and the running variance, and if w learns, x and the running mean.
    """

    title = "batch_norm"
    letters = {"x": "B C ...", "w": "C", "b": "C"}
    opmath = "derivatives"

    @staticmethod
    def forward(x, w, b, mean, variance, eps):
        return native.batch_norm(x, mean, variance, w, b, False, 0.0, eps)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, w, _, mean, variance, eps = inputs
        return x if needs[1] else None, w if needs[0] else None, mean if needs[1] else None, variance, eps

    @staticmethod
    def backward(needs, g, x, w, mean, variance, eps):
        rest = AtRest(g, mean, variance, eps)
        return (
            times(g, rest.a(w)) if needs[0] else None,
            sum_to_channels(times(g, rest.x_hat(x))) if needs[1] else None,
            sum_to_channels(g) if needs[2] else None,
            *[None] * 3,
        )

    @staticmethod
    def backward_once(needs, g, x, w, mean, variance, eps):  # with faster sums, and a product in place
        def sums(t: Tensor) -> Tensor:  # several times faster than over all axes at once
            return t.reshape(*t.shape[:2], -1).sum(-1).sum(0)

        rest = AtRest(g, mean, variance, eps)
        return (
            g * rest.a(w) if needs[0] else None,
            sums(rest.x_hat(x).mul_(g)) if needs[1] else None,
            sums(g) if needs[2] else None,
            *[None] * 3,
        )

    @staticmethod
    def jvp(tangents, x, w, b, mean, variance, eps):
        dx, dw, db, *_ = tangents
        rest = AtRest(x, mean, variance, eps)
        return added(
            None if dx is None else times(dx, rest.a(w)),
            None if dw is None else times(rest.x_hat(x), rest.along(dw)),
            None if db is None else broadcast_to(rest.along(db), x.shape),
        )


class AtRest:
    """μ and r."""

    def __init__(self, x: Tensor, mean: Tensor | None, variance: Tensor, eps: float):
        self.places = (1,) * (x.ndim - 2)
        self.mean, self.r = mean, self.along((variance + eps).rsqrt())

    def along(self, p: Tensor) -> Tensor:
        """p [C], to broadcast with x [B, C, ...]."""
        return reshape(p, (*p.shape, *self.places))

    def a(self, w: Tensor | None) -> Tensor:
        """L^x: r w, for each channel."""
        return self.r if w is None else times(self.along(w), self.r)

    def x_hat(self, x: Tensor) -> Tensor:
        assert self.mean is not None
        return times(minus(x, self.along(self.mean)), self.r)


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """input [B, C, ...], the rest [C]. As `torch.nn.functional.batch_norm`: in training, the running statistics are
    updated in place.

    Raises:
        ValueError: in training there is one value a channel, which has no variance; `eps` is negative; or neither
            training nor running statistics are given.
    """
    if training and input.ndim >= 2 and input.shape[0] * math.prod(input.shape[2:]) == 1:
        raise ValueError(f"batch_norm: it trains on more than one value a channel; {was_given(input=input)}")
    if not input.numel():
        return _of_nothing(input, weight, bias)
    _check("batch_norm", input, eps, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if training:
        if eps == 0:
            raise ValueError("batch_norm: where it trains, eps is positive; it was given 0.")
        return _updating(BatchNorm, input, weight, bias, (running_mean, running_var), momentum, eps)
    return _by_running("batch_norm", input, running_mean, running_var, weight, bias, eps)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """input [B, C, ...], the rest [C]. As `torch.nn.functional.instance_norm`.

    Raises:
        ValueError: there is one value a channel, which has no variance; `eps` is negative; or neither input nor running
            statistics are used.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"instance_norm: one place a channel has no spread; {was_given(input=input)}")
    _check("instance_norm", input, eps, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if use_input_stats:
        return _updating(InstanceNorm, input, weight, bias, (running_mean, running_var), momentum, eps)
    return _by_running("instance_norm", input, running_mean, running_var, weight, bias, eps)


def _updating(
    layer: type[Norm], x: Tensor, weight: Tensor | None, bias: Tensor | None, running: Sequence[Tensor | None],
    momentum: float, eps: float,
) -> Tensor:  # fmt: skip
    """The layer, which updates the running statistics. Where compiled, it is given its inputs in float32: copies of
    statistics in low precision."""
    if not (compiling() and is_low(running)):
        return layer.of(x, weight, bias, *running, momentum, eps)
    copies = [t if t is None else t.float() for t in running]
    x_out = layer.of(x, weight, bias, *copies, momentum, eps)
    for t, copy in zip(running, copies, strict=True):
        if t is not None and copy is not None:
            t.copy_(copy)
    return x_out


def _by_running(
    layer: str, x: Tensor, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None, bias: Tensor | None,
    eps: float,
) -> Tensor:  # fmt: skip
    if mean is None or variance is None:
        raise ValueError(f"{layer}: it needs running_mean and running_var, which are None.")
    return BatchNormAtRest.of(x, weight, bias, mean.detach(), variance.detach(), eps)


def _of_nothing(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """An empty x_out that depends on weight and bias, as in PyTorch."""
    for p in (weight, bias):
        if p is not None:
            x = times(x, narrow(p, 0, 0, 1))
    return clone(x)


def _check(layer: str, x: Tensor, eps: float, **owned: Tensor | None) -> None:
    if x.ndim < 2 or any(p is not None and p.shape != x.shape[1:2] for p in owned.values()):
        raise ShapeError(f"{layer}: it expects input [B, C, ...], and the rest [C]; {was_given(input=x, **owned)}")
    check_floating(layer, input=x)
    if eps < 0:
        raise ValueError(f"{layer}: eps is positive; it was given eps={eps}.")
