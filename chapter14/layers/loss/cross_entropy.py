"""Cross entropy (beside section 14.6.3's loss): how much the scores are surprised by the class.

    J = -log softmax(x)[y]              x scores [C], y a class
    J = -sum_c y[c] log softmax(x)[c]   y probabilities [C]

It consists of two layers: log_softmax, then `nll`, the entries at y. Together, g_in = g (softmax(x) - y).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import LinearMap
from ...layer.modes import compiling, is_eager
from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import keep, plus, scale, shift, sum_along, times
from ..core.arrange import reshape
from ..core.branch import branch, sum_to_size
from ..norm.softmax import log_softmax
from ..reduce.reduce import mean
from .loss import reduced, the_reduction


class Nll(LinearMap):
    """-w[y] x[y] of log probabilities x [B, C, *] or [C]: linear in them. L has one entry a datapoint."""

    title = "nll_loss"

    @staticmethod
    def forward(x, y, weight, ignored, reduction):
        return native.nll_loss(x, y, weight, ignore_index=ignored, reduction=reduction)

    @staticmethod
    def transpose(g, shape, y, weight, ignored, reduction):
        return NllTransposed.of(g, shape, y, weight, ignored, reduction)


class NllTransposed(LinearMap):
    """-w[y] g at y, and 0 elsewhere: g [B, *], or [] where J is a mean or a sum → [B, C, *]."""

    @staticmethod
    def forward(g, shape, y, weight, ignored, reduction):
        axis = 1 if len(shape) > 1 else 0
        k = y != ignored
        at, dtype = torch.where(k, y, 0), g.dtype
        minus_g = -g.to(torch.promote_types(dtype, torch.float32))
        if weight is None:
            g = minus_g / k.sum() if reduction == "mean" else minus_g
        else:
            w = torch.where(k, weight[at], 0).to(minus_g.dtype)
            g = w / w.sum() * minus_g if reduction == "mean" else w * minus_g
        g = torch.where(k, g, 0).to(dtype).unsqueeze(axis)  # if none count, there is no mean, and no gradient
        at = at.unsqueeze(axis)
        if compiling():  # which fuses this with the layer before
            classes = torch.arange(shape[axis], device=g.device).view(-1, *(1 for _ in shape[axis + 1 :]))
            return torch.where(classes == at, g, 0)
        zeros = g.new_zeros(shape)
        return zeros.scatter_(axis, at, g) if is_eager(g, y, weight) else zeros.scatter(axis, at, g)

    @staticmethod
    def transpose(G, g_shape, shape, y, weight, ignored, reduction):
        return Nll.of(G, y, weight, ignored, reduction)


def counts(y: Tensor, weight: Tensor | None, ignored: int, dtype: torch.dtype) -> Tensor:
    """w[y]: how much each datapoint counts; 0 where it is ignored."""
    k = y != ignored
    return k.to(dtype) if weight is None else torch.where(k, weight[torch.where(k, y, 0)], 0).to(dtype)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-w[y] input[y]: input [B, C, *] of log probabilities (or [C]), target [B, *] of classes, weight [C].

    The mean is over w[y]; a target of `ignore_index` does not count. As `torch.nn.functional.nll_loss`.
    """
    reduction = the_reduction("nll_loss", size_average, reduce, reduction)
    _check_classes("nll_loss", input, target, weight)
    return Nll.of(input, target, weight, ignore_index, reduction)


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """input [B, C, *] of scores (or [C]); target [B, *] of classes, or of input's shape, of probabilities; weight [C].

    As `torch.nn.functional.cross_entropy`. `label_smoothing` mixes so much of the uniform distribution into the target.
    """
    reduction = the_reduction("cross_entropy", size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing is in [0, 1]; it was given {label_smoothing}.")
    if target.is_floating_point():
        _check_probabilities(input, target, weight, ignore_index)
        return _of_probabilities(input, target, weight, reduction, label_smoothing)
    _check_classes("cross_entropy", input, target, weight)
    logs = log_softmax(input, _class_axis(input))
    if not label_smoothing:
        return Nll.of(logs, target, weight, ignore_index, reduction)
    logs, again = branch(logs)
    J = Nll.of(logs, target, weight, ignore_index, reduction)
    even = keep(_added_up(scale(again, 1 / logs.shape[_class_axis(logs)]), weight), target != ignore_index)
    if reduction == "mean":
        even = times(sum_to_size(even, ()), 1 / counts(target, weight, ignore_index, even.dtype).sum())
    else:
        even = reduced(even, reduction, "cross_entropy")
    return plus(scale(J, 1 - label_smoothing), scale(even, label_smoothing))


def _class_axis(x: Tensor) -> int:
    return 1 if x.ndim > 1 else 0


def _of_probabilities(x: Tensor, y: Tensor, weight: Tensor | None, reduction: str, smoothing: float) -> Tensor:
    axis = _class_axis(x)
    if smoothing:
        y = shift(scale(y, 1 - smoothing), smoothing / x.shape[axis])
    J = _added_up(times(log_softmax(x, axis), y), weight)
    if reduction == "mean":  # over the datapoints, whatever the weights
        return mean(J)
    return reduced(J, reduction, "cross_entropy")


def _added_up(logs: Tensor, weight: Tensor | None) -> Tensor:
    """-sum_c w[c] logs[c]: [B, C, *] → [B, *]."""
    axis = _class_axis(logs)
    if weight is not None:
        logs = times(logs, reshape(weight, (-1, *(1 for _ in logs.shape[axis + 1 :]))))
    return scale(reshape(sum_along(logs, axis), (*logs.shape[:axis], *logs.shape[axis + 1 :])), -1)


def _check_classes(loss: str, x: Tensor, y: Tensor, weight: Tensor | None) -> None:
    axis = _class_axis(x)
    if x.ndim == 0 or y.shape != (*x.shape[:axis], *x.shape[axis + 1 :]) or not _fits(weight, x):
        raise ShapeError(f"{loss}: it expects input [B, C, *], target [B, *], weight [C]; {_given(x, y, weight)}")
    if y.is_floating_point() or y.dtype == torch.bool:
        raise RuntimeError(f"{loss}: the classes are integers; {_given(x, y, weight)}")
    if weight is not None and weight.requires_grad and torch.is_grad_enabled():
        raise RuntimeError(f"{loss}: weight is a constant, without a gradient; {_given(x, y, weight)}")


def _check_probabilities(x: Tensor, y: Tensor, weight: Tensor | None, ignore_index: int) -> None:
    if y.shape != x.shape or not _fits(weight, x):
        targets = "target of classes [B, *] or of probabilities [B, C, *]"
        raise ShapeError(f"cross_entropy: it expects input [B, C, *], {targets}, weight [C]; {_given(x, y, weight)}")
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index is for targets of classes; it was given probabilities.")


def _fits(weight: Tensor | None, x: Tensor) -> bool:
    return weight is None or weight.shape == x.shape[_class_axis(x) : _class_axis(x) + 1]


def _given(x: Tensor, y: Tensor, weight: Tensor | None) -> str:
    return was_given(input=x, target=y, weight=weight)
