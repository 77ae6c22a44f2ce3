"""Loss layers (section 14.6.3): x_out is the cost J, and g_out is 1 when J is where the way back begins.

    J    = ‖ŷ - y‖²                 the L2 loss of one datapoint
    L^x  = 2 (ŷ - y)                [1 x |y|]     (14.34)
    g_in = g_out 2 (ŷ - y)          [*y]          (14.35)

Over a batch, J is the mean of the datapoints' J_i, (14.11).
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor
from torch.nn._reduction import legacy_get_string

from ..layer import Layer
from ..shape import ShapeError, check_floating, in_words
from .arithmetic import minus, power, scale, times
from .arrange import reshape
from .branch import total
from .pointwise import absolute

REDUCTIONS = ("none", "mean", "sum")


class L2Loss(Layer):
    autocast = "float32"
    title = "l2_loss"
    letters = {"y_hat": "...", "y": "..."}

    @staticmethod
    def forward(y_hat, y, reduction):
        square = (y_hat - y).square()
        J = square.sum(tuple(range(1, y.ndim))) if y.ndim > 1 else square.sum()
        return J if reduction == "none" else J.mean() if reduction == "mean" else J.sum()

    @staticmethod
    def backward(needs, g, y_hat, y, reduction):
        g_in = times(scale(_to_each(g, y), 2 * _weight(y, reduction)), minus(y_hat, y))  # (14.35)
        return g_in if needs[0] else None, scale(g_in, -1) if needs[1] else None, None

    @staticmethod
    def jvp(tangents, y_hat, y, reduction):
        dy_hat, dy = tangents[:2]
        difference = dy_hat if dy is None else scale(dy, -1) if dy_hat is None else minus(dy_hat, dy)
        product = times(scale(minus(y_hat, y), 2 * _weight(y, reduction)), difference)
        if reduction != "none" or y.ndim <= 1:
            return total(product, ())
        B = _datapoints(y)
        return reshape(total(product, (B, *(1 for _ in y.shape[1:]))), (B,))

    @staticmethod
    def L(y_hat, y, reduction):
        """Of one datapoint 2 (ŷ - y), a row vector, (14.34)."""
        row = 2 * _weight(y, reduction) * (y_hat - y).detach().reshape(_datapoints(y), -1)
        L_x = torch.block_diag(*row) if reduction == "none" else row.reshape(1, -1)
        return L_x, -L_x


def _datapoints(y: Tensor) -> int:
    return y.shape[0] if y.ndim > 1 else 1


def _weight(y: Tensor, reduction: str) -> float:
    """What the J_i of one datapoint counts in J."""
    return 1 / max(_datapoints(y), 1) if reduction == "mean" else 1.0


def _to_each(g: Tensor, y: Tensor) -> Tensor:
    """g, one for each datapoint or one for all, in a shape that broadcasts with y's."""
    return reshape(g, (*g.shape, *(1 for _ in y.shape[1:]))) if g.ndim else g


def check_reduction(loss: str, reduction: str) -> None:
    """
    Raises:
        ValueError: `reduction` is not one that torch's losses have.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"{loss}: reduction is 'none', 'mean' or 'sum'; it was given {reduction!r}.")


def l2_loss(y_hat: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
    """‖ŷ - y‖² of each datapoint: y_hat [B, *], y [B, *] → []; with `reduction="none"`, [B]. (14.34), (14.35)

    The first axis is the batch, and all others are one datapoint's; a vector [M] is a single datapoint. Squares are
    summed over the datapoint and averaged over the batch, or, with `reduction="sum"`, summed over it too.

    Raises:
        ShapeError: y_hat and y differ in shape: broadcasting would compare each with each.
        ValueError: an unknown reduction.
    """
    check_reduction("l2_loss", reduction)
    check_floating("l2_loss", y_hat=y_hat, y=y)
    if y_hat.shape != y.shape:
        given = f"y_hat {in_words(y_hat)}, y {in_words(y)}"
        raise ShapeError(f"l2_loss: y_hat and y have one shape. It was given {given}.")
    return L2Loss.of(y_hat, y, reduction)


# Losses of torch.nn.functional, out of layers. `size_average` and `reduce` are torch's old words for `reduction`.


def the_reduction(loss: str, size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    if size_average is not None or reduce is not None:
        return legacy_get_string(size_average, reduce)
    check_reduction(loss, reduction)
    return reduction


def reduced(J: Tensor, reduction: str, loss: str) -> Tensor:
    """J of each, or their sum, or their mean (14.11)."""
    if reduction == "none":
        return J
    if reduction == "sum":
        return total(J, ())
    check_floating(loss, J=J)
    return scale(total(J, ()), 1 / J.numel() if J.numel() else math.nan)


def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """(ŷ - y)², entry by entry, and their mean: input, target [*] → []. As `torch.nn.functional.mse_loss`.

    The chapter's `l2_loss` sums over the entries of a datapoint instead.
    """
    reduction = the_reduction("mse_loss", size_average, reduce, reduction)
    square = power(_difference("mse_loss", input, target), 2)
    return (
        reduced(square, reduction, "mse_loss")
        if weight is None
        else _weighted("mse_loss", square, weight, input, reduction)
    )


def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """|ŷ - y|, entry by entry, and their mean: input, target [*] → []. As `torch.nn.functional.l1_loss`."""
    reduction = the_reduction("l1_loss", size_average, reduce, reduction)
    size = absolute(_difference("l1_loss", input, target))
    return (
        reduced(size, reduction, "l1_loss") if weight is None else _weighted("l1_loss", size, weight, input, reduction)
    )


def _difference(loss: str, y_hat: Tensor, y: Tensor) -> Tensor:
    if y_hat.shape != y.shape:
        warnings.warn(
            f"{loss}: input {list(y_hat.shape)} and target {list(y.shape)} differ in shape, so they broadcast.",
            stacklevel=3,
        )
    return minus(y_hat, y)


def _weighted(loss: str, J: Tensor, weight: Tensor, y_hat: Tensor, reduction: str) -> Tensor:
    if weight.shape != y_hat.shape:
        given = f"weight {in_words(weight)}, input {in_words(y_hat)}"
        raise ShapeError(f"{loss}: weight has the shape of input. It was given {given}.")
    J = times(J, weight)
    return times(total(J, ()), power(total(weight, ()), -1)) if reduction == "mean" else reduced(J, reduction, loss)
