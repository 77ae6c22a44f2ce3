"""Loss layers (section 14.6.3): x_out is the cost J, and g_out is 1 when J is where the way back begins.

    J    = ‖ŷ - y‖²                 the L2 loss of one datapoint
    L^x  = 2 (ŷ - y)                [1 x |y|]     (14.34)
    g_in = g_out 2 (ŷ - y)          [*y]          (14.35)

Over a batch, J is the mean of the datapoints' J_i, (14.11).
"""

from __future__ import annotations

from torch import Tensor

from ..layer import Layer
from ..shape import ShapeError, in_words
from .arithmetic import minus, scale, times
from .arrange import reshape
from .branch import total

REDUCTIONS = ("none", "mean", "sum")


class L2Loss(Layer):
    autocast = "float32"
    title = "l2_loss"
    letters = {"y_hat": "...", "y": "..."}

    @staticmethod
    def forward(y_hat, y, reduction):
        square = (y_hat - y).square()
        if reduction == "none":
            return square.sum(tuple(range(1, square.ndim))) if square.ndim > 1 else square.sum()
        return square.sum() / _datapoints(y, reduction)

    @staticmethod
    def backward(needs, g, y_hat, y, reduction):
        g_in = times(scale(_to_each(g, y), 2 / max(_datapoints(y, reduction), 1)), minus(y_hat, y))  # (14.35)
        return g_in if needs[0] else None, scale(g_in, -1) if needs[1] else None, None

    @staticmethod
    def jvp(tangents, y_hat, y, reduction):
        dy_hat, dy = tangents[:2]
        difference = dy_hat if dy is None else scale(dy, -1) if dy_hat is None else minus(dy_hat, dy)
        product = times(scale(minus(y_hat, y), 2 / max(_datapoints(y, reduction), 1)), difference)
        if reduction != "none" or y.ndim <= 1:
            return total(product, ())
        B = y.shape[0]
        return reshape(total(product, (B, *(1 for _ in y.shape[1:]))), (B,))

    @staticmethod
    def L(y_hat, y, reduction):
        """Of one datapoint 2 (ŷ - y), a row vector, (14.34)."""
        row = 2 * (y_hat - y).detach().reshape(_rows(y), -1)
        L_x = torch.block_diag(*row) if reduction == "none" else row.reshape(1, -1) / max(_datapoints(y, reduction), 1)
        return L_x, -L_x


def _datapoints(y: Tensor, reduction: str) -> int:
    """How many datapoints share one J."""
    return y.shape[0] if reduction == "mean" and y.ndim > 1 else 1


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
    if y_hat.shape != y.shape:
        given = f"y_hat {in_words(y_hat)}, y {in_words(y)}"
        raise ShapeError(f"l2_loss: y_hat and y have one shape. It was given {given}.")
    return L2Loss.of(y_hat, y, reduction)
