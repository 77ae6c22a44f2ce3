"""Cross entropy (beside section 14.6.3's loss): how much the scores are surprised by the class.

    J = -log softmax(x)[y]              x scores [C], y a class
    J = -sum_c y[c] log softmax(x)[c]   y probabilities [C]

Out of layers: log_softmax, then the entries at y. Together they go back as g_in = g (softmax(x) - y).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..shape import ShapeError, in_words
from .arithmetic import gate, plus, power, scale, sum_along, times
from .arrange import reshape
from .branch import total
from .gather import pick
from .loss import reduced, the_reduction
from .softmax import log_softmax


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: bool | None = None,
    ignore_index: int = -100, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-w[y] input[y]: input [B, C, *] of log probabilities (or [C]), target [B, *] of classes, weight [C].

    The mean is over w[y]; a target of `ignore_index` does not count. As `torch.nn.functional.nll_loss`.
    """
    reduction = the_reduction("nll_loss", size_average, reduce, reduction)
    _check_classes("nll_loss", input, target, weight, ignore_index)
    J, w = _nll(input, target, weight, ignore_index)
    return _averaged(J, w, reduction)


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
        J = _soft_nll(log_softmax(input, _class_axis(input)), target, weight, label_smoothing)
        if reduction == "mean":  # over the datapoints, whatever the weights
            return scale(total(J, ()), 1 / J.numel() if J.numel() else float("nan"))
        return reduced(J, reduction)
    _check_classes("cross_entropy", input, target, weight, ignore_index)
    logs, C = log_softmax(input, _class_axis(input)), input.shape[_class_axis(input)]
    J, w = _nll(logs, target, weight, ignore_index)
    if label_smoothing:
        even = _soft_nll(logs, torch.full_like(logs, 1 / C), weight, 0.0)
        J = plus(scale(J, 1 - label_smoothing), scale(gate(even, target != ignore_index), label_smoothing))
    return _averaged(J, w, reduction)


def _class_axis(x: Tensor) -> int:
    return 1 if x.ndim > 1 else 0


def _nll(logs: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> tuple[Tensor, Tensor]:
    """J and w[y] of each datapoint, both [B, *]; 0 where it is ignored."""
    axis, counts = _class_axis(logs), target != ignore_index
    y = torch.where(counts, target, 0)
    w = counts.to(logs.dtype) if weight is None else gate(reshape(pick(weight, y.reshape(-1)), y.shape), counts)
    J = reshape(pick(logs, y.unsqueeze(axis), axis), y.shape)
    return scale(gate(J, counts) if weight is None else times(gate(J, counts), w), -1), w


def _soft_nll(logs: Tensor, target: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
    axis = _class_axis(logs)
    if smoothing:
        target = plus(scale(target, 1 - smoothing), target.new_tensor(smoothing / logs.shape[axis]))
    J = times(logs, target)
    if weight is not None:
        J = times(J, reshape(weight, (-1, *(1 for _ in logs.shape[axis + 1 :]))))
    return scale(reshape(sum_along(J, axis), (*logs.shape[:axis], *logs.shape[axis + 1 :])), -1)


def _averaged(J: Tensor, w: Tensor, reduction: str) -> Tensor:
    return times(total(J, ()), power(total(w, ()), -1)) if reduction == "mean" else reduced(J, reduction)


def _check_classes(loss: str, x: Tensor, y: Tensor, weight: Tensor | None, ignore_index: int) -> None:
    axis = _class_axis(x)
    if x.ndim == 0 or y.shape != (*x.shape[:axis], *x.shape[axis + 1 :]) or not _fits(weight, x):
        raise ShapeError(f"{loss}: it expects input [B, C, *], target [B, *], weight [C]; {_given(x, y, weight)}.")
    if y.is_floating_point() or y.dtype == torch.bool:
        raise RuntimeError(f"{loss}: the classes are whole numbers; {_given(x, y, weight)}.")


def _check_probabilities(x: Tensor, y: Tensor, weight: Tensor | None, ignore_index: int) -> None:
    if y.shape != x.shape or not _fits(weight, x):
        raise ShapeError(
            f"cross_entropy: it expects input [B, C, *], target of classes [B, *] or of probabilities [B, C, *], "
            f"weight [C]; {_given(x, y, weight)}."
        )
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index is for targets of classes; it was given probabilities.")


def _fits(weight: Tensor | None, x: Tensor) -> bool:
    return weight is None or weight.shape == x.shape[_class_axis(x) : _class_axis(x) + 1]


def _given(x: Tensor, y: Tensor, weight: Tensor | None) -> str:
    extra = "" if weight is None else f", weight {in_words(weight)}"
    return f"it was given input {in_words(x)}, target {in_words(y)}{extra}"
