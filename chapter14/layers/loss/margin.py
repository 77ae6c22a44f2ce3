"""Losses of a margin m: nothing is lost where one score is above another by that much, or one distance below.

    margin_ranking_loss      J = max(0, m - y (a - b))                        y = ±1: which is to be above
    hinge_embedding_loss     J = x where y = 1,  max(0, m - x) where y = -1   x a distance
    multi_margin_loss        J = sum_{j ≠ y} max(0, m - x[y] + x[j])^p / C    x scores [C], y a class
    multilabel_margin_loss   J = sum_{i ∈ y, j ∉ y} max(0, 1 - x[i] + x[j]) / C
    cosine_embedding_loss    J = 1 - c where y = 1,  max(0, c - m) where y = -1,  c = cos(a, b)
    triplet_margin_loss      J = max(0, m + |a - p| - |a - n|)

At the margin itself the slope is 0, as torch has it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import keep, minus, plus, power, scale, shift, sum_along, times
from ..core.arrange import reshape
from ..core.branch import branch, broadcast_to
from ..core.gather import pick, place
from ..pointwise.compare import clamp, minimum
from .distance import pairwise_distance
from .loss import Loss, in_one_shape, reduced, the_reduction


class MultiMargin(Loss):
    title = "multi_margin_loss"
    letters = {"x": "... C", "y": "..."}
    axes = 1

    @staticmethod
    def forward(x, y, reduction, p, margin, weight):
        by_kernel = reduction if len(x) else "none"  # of an empty x, the kernel leaves a sum as it finds it
        J = native.multi_margin_loss(x, y, p, margin, weight, reduction=by_kernel)
        return J if len(x) else reduced(J, reduction, "multi_margin_loss")

    @staticmethod
    def partials(x, y, p, margin, weight):
        def by_x():
            at = y.reshape(*x.shape[:-1], 1)
            z = shift(minus(x, pick(x, at)), margin)
            lost = (z.detach() > 0).scatter(-1, at, False)
            up = scale(keep(z, lost) if p == 2 else lost.to(x.dtype), p / x.shape[-1])
            up = up if weight is None else times(up, weight[at])
            return minus(up, place(sum_along(up, -1), at, -1, x.shape))

        return by_x, None


class MultilabelMargin(Loss):
    """y has the classes in front, and -1 after the last."""

    title = "multilabel_margin_loss"
    letters = {"x": "... C", "y": "... C"}
    axes = 1

    @staticmethod
    def forward(x, y, reduction):
        return native.multilabel_margin_loss(x, y, reduction=reduction)

    @staticmethod
    def partials(x, y):
        def by_x():
            there = (y >= 0).long().cumprod(-1)
            at = y.clamp(min=0)
            others = torch.zeros_like(at).scatter_add(-1, at, there) == 0
            z = 1 - x.detach().gather(-1, at)[..., :, None] + x.detach()[..., None, :]
            lost = ((z > 0) & there.bool()[..., :, None] & others[..., None, :]).to(x.dtype)
            return lost.sum(-2).scatter_add(-1, at, -lost.sum(-1)) / x.shape[-1]

        return by_x, None


class CosineEmbedding(Loss):
    """c = <a, b> / √((<a, a> + ε) (<b, b> + ε))."""

    title = "cosine_embedding_loss"
    letters = {"a": "... M", "b": "... M", "y": "..."}
    tensors = 3
    axes = 1

    @staticmethod
    def forward(a, b, y, reduction, margin):
        return native.cosine_embedding_loss(a, b, y, margin, reduction=reduction)

    @staticmethod
    def partials(a, b, y, margin):
        r_a, r_b = (power(shift(sum_along(times(x, x), -1), 1e-12), -0.5) for x in (a, b))
        a_hat, b_hat = times(a, r_a), times(b, r_b)
        c, y = sum_along(times(a_hat, b_hat), -1), y[..., None]
        slope = ((y == -1) & (c.detach() > margin)).to(a.dtype) - (y == 1).to(a.dtype)
        return (
            lambda: times(times(r_a, slope), minus(b_hat, times(c, a_hat))),
            lambda: times(times(r_b, slope), minus(a_hat, times(c, b_hat))),
            None,
        )


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin - target (input1 - input2)). As `torch.nn.functional.margin_ranking_loss`."""
    reduction = the_reduction("margin_ranking_loss", size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        given = was_given(input1=input1, input2=input2, target=target)
        raise ShapeError(f"margin_ranking_loss: they have equally many axes; {given}")
    d, y = in_one_shape(minus(*in_one_shape(input1, input2)), target)
    J = clamp(shift(times(scale(y, -1), d), margin), 0)
    return reduced(J, reduction, "margin_ranking_loss")


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """input [*] where target [*] is 1, max(0, margin - input) where it is -1.

    As `torch.nn.functional.hinge_embedding_loss`.
    """
    reduction = the_reduction("hinge_embedding_loss", size_average, reduce, reduction)
    (x,), shape = in_one_shape(input), torch.broadcast_shapes(input.shape, target.shape)
    x, also = branch(broadcast_to(x, shape))
    if x.dtype == torch.bool:
        raise NotImplementedError("hinge_embedding_loss: it expects numbers; it was given bools.")
    below = clamp(shift(scale(also, -1), margin), 0)
    J = plus(keep(x, target != -1), keep(below, target != 1))
    return reduced(J if x.is_floating_point() else J.to(x.dtype), reduction, "hinge_embedding_loss")


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The class's score above each other by `margin`: input [B, C] or [C], target [B] or [], weight [C].

    As `torch.nn.functional.multi_margin_loss`.
    """
    reduction = the_reduction("multi_margin_loss", size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is 1 or 2; it was given {p}.")
    if weight is not None and weight.ndim != 1:
        raise ShapeError(f"multi_margin_loss: weight is [C]; {was_given(weight=weight)}")
    return MultiMargin.of(_at_least_a_row(input), target, reduction, p, margin, weight)


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Each of the classes' scores above each other by 1: input [B, C] or [C], target of its shape: classes, then -1.

    As `torch.nn.functional.multilabel_margin_loss`.
    """
    reduction = the_reduction("multilabel_margin_loss", size_average, reduce, reduction)
    return MultilabelMargin.of(_at_least_a_row(input), _at_least_a_row(target), reduction)


def _at_least_a_row(x: Tensor) -> Tensor:
    return x if x.ndim else reshape(x, (1,))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos where target [B] is 1, cos - margin where it is -1: input1, input2 [B, M]; or one datapoint, [M] and [].

    As `torch.nn.functional.cosine_embedding_loss`.
    """
    reduction = the_reduction("cosine_embedding_loss", size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim + 1:
        given = was_given(input1=input1, input2=input2, target=target)
        raise ShapeError(f"cosine_embedding_loss: it expects [B, M], [B, M], [B], or [M], [M], []; {given}")
    a, b = in_one_shape(input1, input2)
    return CosineEmbedding.of(a, b, target, reduction, margin)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The positive nearer to the anchor than the negative, by `margin`: all [B, M], or [M].

    `swap` takes the negative from whichever of the two it is nearer to. As `torch.nn.functional.triplet_margin_loss`.
    """

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    reduction = the_reduction("triplet_margin_loss", size_average, reduce, reduction)
    return _triplet("triplet_margin_loss", distance, anchor, positive, negative, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0, swap: bool = False,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """As `triplet_margin_loss`, by any distance. As `torch.nn.functional.triplet_margin_with_distance_loss`."""
    loss = "triplet_margin_with_distance_loss"
    reduction = the_reduction(loss, None, None, reduction)
    return _triplet(loss, distance_function or pairwise_distance, anchor, positive, negative, margin, swap, reduction)


def _triplet(loss, distance, anchor, positive, negative, margin, swap, reduction):
    if margin <= 0:
        raise ValueError(f"{loss}: margin is positive; it was given {margin}.")
    if not anchor.ndim == positive.ndim == negative.ndim:
        given = was_given(anchor=anchor, positive=positive, negative=negative)
        raise ShapeError(f"{loss}: they have equally many axes; {given}")
    anchor, again = branch(anchor)
    if swap:
        (positive, p), (negative, n) = branch(positive), branch(negative)
        far = minimum(distance(again, negative), distance(p, n))
    else:
        far = distance(again, negative)
    return reduced(clamp(minus(shift(distance(anchor, positive), margin), far), 0), reduction, loss)
