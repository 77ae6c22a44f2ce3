"""Losses of a yes or no: p is how probable a yes is, or x is its score, and y is 1 or 0, or between.

    binary_cross_entropy   J = -y log p - (1 - y) log (1 - p)           dJ/dp = (p - y) / (p (1 - p))
    ..._with_logits        the same of p = σ(x)                         dJ/dx = σ(x) - y
    soft_margin_loss       J = log (1 + exp(-y x)),  y = ±1             dJ/dx = -y σ(-y x)

entry by entry; then their mean, their sum, or none of these. (For more classes than two: `cross_entropy`.)
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as native

from ...layer.shape import ShapeError, check_floating, check_real, was_given
from ..core.arithmetic import keep, mean_along, minus, plus, power, scale, shift, times
from ..core.arrange import reshape
from ..core.branch import broadcast_to
from ..pointwise.pointwise import log, sigmoid
from ..pointwise.saturating import softplus
from .loss import Loss, in_one_shape, reduced, the_reduction


class BinaryCrossEntropy(Loss):
    """Both logarithms are -100 at least, and p (1 - p) is 1e-12, as torch has it: at p = 0 or 1, there is a slope."""

    title = "binary_cross_entropy"
    letters = {"p": "...", "y": "..."}

    @staticmethod
    def forward(p, y, reduction):
        return native.binary_cross_entropy(p, y, reduction=reduction)

    @staticmethod
    def partials(p, y):
        def by_p():
            q = minus(p, times(p, p))
            inside = q.detach() > 1e-12
            q = plus(keep(q, inside), (~inside).to(p.dtype) * 1e-12)
            return times(minus(p, y), power(q, -1))

        return by_p, lambda: minus(log(shift(scale(p, -1), 1)), log(p))


class BinaryCrossEntropyWithLogits(Loss):
    """w is how much y counts: J = -w y log σ(x) - (1 - y) log (1 - σ(x)); where w is None, 1."""

    title = "binary_cross_entropy_with_logits"
    letters = {"x": "...", "y": "...", "w": "..."}
    tensors = 3

    @staticmethod
    def forward(x, y, w, reduction):
        return native.binary_cross_entropy_with_logits(x, y, pos_weight=w, reduction=reduction)

    @staticmethod
    def partials(x, y, w):
        if w is None:
            return lambda: minus(sigmoid(x), y), lambda: scale(x, -1), None

        def by_x():
            counted = plus(times(w, y), shift(scale(y, -1), 1))
            return minus(times(counted, sigmoid(x)), times(w, y))

        def by_y():
            return minus(times(shift(w, -1), _minus_log_sigmoid(x)), x)

        return by_x, by_y, lambda: times(y, _minus_log_sigmoid(x))


def _minus_log_sigmoid(x: Tensor) -> Tensor:
    return softplus(scale(x, -1), threshold=40)  # beyond which a float64 is the line itself


class SoftMargin(Loss):
    title = "soft_margin_loss"
    letters = {"x": "...", "y": "..."}
    opmath = "all"

    @staticmethod
    def forward(x, y, reduction):
        return reduced(native.softplus(-x * y, threshold=40), reduction, "soft_margin_loss")

    @staticmethod
    def partials(x, y):
        s = sigmoid(scale(times(x, y), -1))
        return lambda: scale(times(y, s), -1), lambda: scale(times(x, s), -1)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """input [*] of probabilities, target [*] in [0, 1], weight broadcast.

    As `torch.nn.functional.binary_cross_entropy`.
    """
    reduction = the_reduction("binary_cross_entropy", size_average, reduce, reduction)
    _check_one_shape("binary_cross_entropy", input, target)
    if weight is None:
        return BinaryCrossEntropy.of(input, target, reduction)
    return reduced(times(BinaryCrossEntropy.of(input, target, "none"), weight), reduction, "binary_cross_entropy")


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """input [*] of scores, target [*] in [0, 1]; weight and pos_weight broadcast.

    As `torch.nn.functional.binary_cross_entropy_with_logits`.
    """
    loss = "binary_cross_entropy_with_logits"
    reduction = the_reduction(loss, size_average, reduce, reduction)
    _check_one_shape(loss, input, target)
    w = None if pos_weight is None else broadcast_to(pos_weight, input.shape)
    if weight is None:
        return BinaryCrossEntropyWithLogits.of(input, target, w, reduction)
    return reduced(times(BinaryCrossEntropyWithLogits.of(input, target, w, "none"), weight), reduction, loss)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The mean over the classes of `binary_cross_entropy_with_logits`: input [..., C], target [..., C], weight [C].

    As `torch.nn.functional.multilabel_soft_margin_loss`.
    """
    reduction = the_reduction("multilabel_soft_margin_loss", size_average, reduce, reduction)
    x, y = in_one_shape(input, target if target.is_floating_point() or target.is_complex() else target.to(input.dtype))
    J = BinaryCrossEntropyWithLogits.of(x, y, None, "none")
    J = J if weight is None else times(J, weight)
    axis = input.ndim - 1
    n = input.shape[axis]
    J = scale(mean_along(J, axis), J.shape[axis] / n if n else math.nan)  # the mean is over the classes of input
    return reduced(reshape(J, (*J.shape[:axis], *J.shape[axis + 1 :])), reduction, "multilabel_soft_margin_loss")


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """log(1 + exp(-y x)): input [*] of scores, target [*] of 1 and -1. As `torch.nn.functional.soft_margin_loss`."""
    reduction = the_reduction("soft_margin_loss", size_average, reduce, reduction)
    check_floating("soft_margin_loss", input=input)
    check_real("soft_margin_loss", input=input, target=target)
    return SoftMargin.of(input, broadcast_to(target, input.shape), reduction)


def _check_one_shape(loss: str, x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise ShapeError(f"{loss}: input and target have one shape; {was_given(input=x, target=y)}")
