"""Batch norm: each channel by its mean and spread over the batch and the places, or by those that it once learned.

    where it trains    x_out = x^ w + b                                      `standardize` has its L
    afterwards         x_out = x a + c,  a = w r,  c = b - w r μ             affine: μ and r are constants

Instance norm by running statistics is the same affine layer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as native

from ..layer import Layer, cast
from ..shape import ShapeError, check_floating, in_words
from .arithmetic import added, minus, scale, times
from .arrange import narrow, reshape
from .branch import branch, spread, total
from .norm import InstanceNorm
from .standardize import Frame, Norm


class BatchNorm(Norm):
    """The kernel updates the running statistics, which are nobody's input."""

    title = "batch_norm"
    aside = 3

    @staticmethod
    def forward(x, w, b, running_mean, running_var, momentum, eps):
        return native.batch_norm(x, running_mean, running_var, w, b, True, momentum, eps)

    @staticmethod
    def frame(shape, eps):
        B, C = shape[:2]
        return Frame((B, C, math.prod(shape[2:])), (C, 1), (0, 2), eps)

    @classmethod
    def few_passes(cls, needs, g, x, w, eps):
        n = x.shape[0] * x.shape[2]

        def sums(t: Tensor) -> Tensor:  # [C, 1], several times faster than over both axes at once
            return t.sum(-1, keepdim=True).sum(0)

        c = x - sums(x).div_(n)
        product = torch.square(c)
        r = sums(product).div_(n).add_(eps).rsqrt_()
        g_w, g_b = sums(torch.mul(g, c, out=product)).mul_(r), sums(g)
        if not needs[0]:
            return None, g_w, g_b
        a = r if w is None else w * r  # r w (g - mean g - x^ mean(g x^))
        return torch.mul(g, a, out=product).addcmul_(c, g_w * a * r / -n).add_(g_b * a / -n), g_w, g_b


class Affine(Layer):
    """x_out = x a + b, where a and b broadcast: batch norm, once it has stopped to learn."""

    letters = {"x": "...", "a": "...", "b": "..."}

    @staticmethod
    def forward(x, a, b):
        return torch.addcmul(b, x, a)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, a, b = inputs
        return x if needs[1] else None, a if needs[0] else None, a.shape, b.shape

    @staticmethod
    def backward(needs, g, x, a, a_shape, b_shape):
        return (
            times(g, a) if needs[0] else None,
            total(times(g, x), a_shape) if needs[1] else None,
            total(g, b_shape) if needs[2] else None,
        )

    @staticmethod
    def jvp(tangents, x, a, b):
        dx, da, db = tangents
        return added(
            None if dx is None else times(dx, a),
            None if da is None else times(x, da),
            None if db is None else spread(db, x.shape),
        )


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """input [B, C, ...], the rest [C]. As `torch.nn.functional.batch_norm`: where it trains, the running statistics are
    updated in place.

    Raises:
        ValueError: one value a channel has no spread to train by; `eps` is negative; or there is nothing to go by.
    """
    if training and input.ndim >= 2 and input.shape[0] * math.prod(input.shape[2:]) == 1:
        raise ValueError(f"batch_norm: it trains on more than one value a channel; it has input {in_words(input)}.")
    if not input.numel():
        return _of_nothing(input, weight, bias)
    _check("batch_norm", input, eps, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if training:
        if eps == 0:
            raise ValueError("batch_norm: where it trains, eps is positive; it was given 0.")
        return BatchNorm.of(input, weight, bias, running_mean, running_var, momentum, eps)
    return _by_running("batch_norm", input, running_mean, running_var, weight, bias, eps)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """input [B, C, ...], the rest [C]. As `torch.nn.functional.instance_norm`.

    Raises:
        ValueError: one value a channel has no spread; `eps` is negative; or there is nothing to go by.
    """
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"instance_norm: one place a channel has no spread; it was given input {in_words(input)}.")
    _check("instance_norm", input, eps, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if use_input_stats:
        return InstanceNorm.of(input, weight, bias, running_mean, running_var, momentum, eps)
    return _by_running("instance_norm", input, running_mean, running_var, weight, bias, eps)


def _by_running(
    layer: str, x: Tensor, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None, bias: Tensor | None,
    eps: float,
) -> Tensor:  # fmt: skip
    if mean is None or variance is None:
        raise ValueError(f"{layer}: it goes by running_mean and running_var, which are None.")
    along = (x.shape[1], *[1] * (x.ndim - 2))  # [C], in the shape that broadcasts with x
    w, b = (None if p is None else reshape(p, along) for p in (weight, bias))
    wide = torch.promote_types(x.dtype, torch.float32)  # x a + c, rounded once
    r = (variance.to(wide) + eps).rsqrt().reshape(along)
    a, also = (r, r) if w is None else branch(times(cast(w, wide), r))
    less = times(also, mean.to(wide).reshape(along))
    c = scale(less, -1) if b is None else minus(cast(b, wide), less)
    return cast(Affine.of(cast(x, wide), a, c), x.dtype)


def _of_nothing(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """An empty x_out, to which all that is given leads, as in PyTorch."""
    for p in (weight, bias):
        if p is not None:
            x = times(x, narrow(p, 0, 0, 1))
    return scale(x, 1)


def _check(layer: str, x: Tensor, eps: float, **owned: Tensor | None) -> None:
    given = {name: p for name, p in owned.items() if p is not None}
    if x.ndim < 2 or any(p.shape != x.shape[1:2] for p in given.values()):
        words = ", ".join(f"{name} {in_words(p)}" for name, p in {"input": x, **given}.items())
        raise ShapeError(f"{layer}: it expects input [B, C, ...], and the rest [C]; it was given {words}.")
    check_floating(layer, input=x)
    if eps < 0:
        raise ValueError(f"{layer}: eps is positive; it was given eps={eps}.")
