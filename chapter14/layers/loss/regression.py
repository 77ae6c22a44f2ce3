"""Losses of a distance d = ŷ - y, entry by entry.

    mse_loss         J = d²                                            dJ/dŷ = 2 d
    l1_loss          J = |d|                                           dJ/dŷ = sign d
    huber_loss       J = d²/2 where |d| < δ, else δ (|d| - δ/2)        dJ/dŷ = d, clamped to [-δ, δ]
    smooth_l1_loss   J = huber / β, with δ = β

and dJ/dy = -dJ/dŷ. Then their mean, their sum, or none of these.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import cast
from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import minus, power, scale, times
from ..core.branch import branch, sum_to_size
from ..pointwise.compare import clamp
from ..pointwise.pointwise import absolute
from .loss import Loss, alike, reduced, the_reduction


class _OfDifference(Loss):
    letters = {"y_hat": "...", "y": "..."}

    @staticmethod
    def slope(d: Tensor, *constants: Any) -> Tensor:
        """dJ/dŷ."""
        raise NotImplementedError

    @classmethod
    def partials(cls, y_hat, y, *constants):
        slope = cls.slope(minus(y_hat, y), *constants)
        return lambda: slope, lambda: scale(slope, -1)


class Mse(_OfDifference):
    title = "mse_loss"
    factor = 2

    @staticmethod
    def forward(y_hat, y, reduction):
        return native.mse_loss(y_hat, y, reduction=reduction)

    @staticmethod
    def slope(d):
        return d


class L1(Loss):
    """Of d itself: all that L needs is its sign, one byte an entry."""

    title = "l1_loss"
    letters = {"d": "..."}
    tensors = 1
    opmath = "all"

    @staticmethod
    def forward(d, reduction):
        return reduced(d.abs(), reduction, "l1_loss")

    @staticmethod
    def kept(needs, d):
        return (d.detach().sign().to(torch.int8),)

    @staticmethod
    def partials(sign):
        return (lambda: sign,)


class Huber(_OfDifference):
    title = "huber_loss"

    @staticmethod
    def forward(y_hat, y, reduction, delta):
        return native.huber_loss(y_hat, y, reduction=reduction, delta=delta)

    @staticmethod
    def slope(d, delta):
        return clamp(d, -delta, delta)


class SmoothL1(_OfDifference):
    title = "smooth_l1_loss"

    @staticmethod
    def forward(y_hat, y, reduction, beta):
        return native.smooth_l1_loss(y_hat, y, reduction=reduction, beta=beta)

    @staticmethod
    def slope(d, beta):
        return clamp(scale(d, 1 / beta), -1, 1)


def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """(ŷ - y)², entry by entry, and their mean: input, target [*] → []. As `torch.nn.functional.mse_loss`.

    The chapter's `l2_loss` sums over the entries of a datapoint instead.
    """
    reduction = the_reduction("mse_loss", size_average, reduce, reduction)
    y_hat, y = alike("mse_loss", input, target)
    if weight is None:
        return Mse.of(y_hat, y, reduction)
    return _weighted("mse_loss", power(minus(y_hat, y), 2), weight, input, reduction)


def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """|ŷ - y|, entry by entry, and their mean: input, target [*] → []. As `torch.nn.functional.l1_loss`."""
    reduction = the_reduction("l1_loss", size_average, reduce, reduction)
    y_hat, y = alike("l1_loss", input, target)
    if weight is None:
        return _l1(minus(y_hat, y), reduction)
    return _weighted("l1_loss", absolute(minus(y_hat, y)), weight, input, reduction)


def _l1(d: Tensor, reduction: str) -> Tensor:
    """By its sign in one byte, where d is real."""
    return reduced(absolute(d), reduction, "l1_loss") if d.is_complex() else L1.of(d, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """A square near 0, and beyond `delta` a line: input, target [*] → []. As `torch.nn.functional.huber_loss`.

    The mean is over the entries, whatever they weigh.
    """
    reduction = the_reduction("huber_loss", None, None, reduction)
    if delta <= 0:
        raise RuntimeError(f"huber_loss: delta is positive; it was given {delta}.")
    y = cast(target, input.dtype) if target.is_floating_point() and input.is_floating_point() else target
    y_hat, y = alike("huber_loss", input, y)
    if weight is None:
        return Huber.of(y_hat, y, reduction, delta)
    _check_weight("huber_loss", weight, input)
    return reduced(times(Huber.of(y_hat, y, "none", delta), weight), reduction, "huber_loss")


def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """A square near 0, and beyond `beta` a line of slope 1. As `torch.nn.functional.smooth_l1_loss`."""
    reduction = the_reduction("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta is not negative; it was given {beta}.")
    y_hat, y = alike("smooth_l1_loss", input, target)
    return SmoothL1.of(y_hat, y, reduction, beta) if beta else _l1(minus(y_hat, y), reduction)


def _weighted(loss: str, J: Tensor, weight: Tensor, y_hat: Tensor, reduction: str) -> Tensor:
    """The mean is over the weights."""
    _check_weight(loss, weight, y_hat)
    if reduction != "mean":
        return reduced(times(J, weight), reduction, loss)
    weight, also = branch(weight)
    return times(sum_to_size(times(J, weight), ()), power(sum_to_size(also, ()), -1.0))


def _check_weight(loss: str, weight: Tensor, y_hat: Tensor) -> None:
    if weight.shape != y_hat.shape:
        raise ShapeError(f"{loss}: weight has the shape of input; {was_given(weight=weight, input=y_hat)}")
