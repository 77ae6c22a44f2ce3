"""Loss layers (section 14.6.3): x_out is the cost J, and g_out is 1 when J is where the way back begins.

    J    = ‖ŷ - y‖²                 the L2 loss of one datapoint
    L^x  = 2 (ŷ - y)                [1 x |y|]     (14.34)
    g_in = g_out 2 (ŷ - y)          [*y]          (14.35)

Over a batch, J is the mean of the datapoints' J_i, (14.11). `Loss` is what the losses of `torch.nn.functional` have in
common: J_i of each entry or datapoint, and its partial derivatives; then their mean, their sum, or none of these.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn._reduction import legacy_get_string

from ...layer.base import Layer, as_autocast, cast
from ...layer.shape import ShapeError, check_floating, in_words
from ..core.arithmetic import added, minus, scale, times
from ..core.arrange import reshape
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conj
from ..reduce.reduce import mean

REDUCTIONS = ("none", "mean", "sum")


class L2Loss(Layer):
    autocast = "float32"
    title = "l2_loss"
    letters = {"y_hat": "...", "y": "..."}
    opmath = "all"

    @staticmethod
    def forward(y_hat, y, reduction):
        square = (y_hat - y).square()
        J = square.sum(tuple(range(1, y.ndim))) if y.ndim > 1 else square.sum()
        return J if reduction == "none" else J.mean() if reduction == "mean" else J.sum()

    @staticmethod
    def backward(needs, g, y_hat, y, reduction):
        g = scale(_to_each(g, y), 2 * _weight(y, reduction))
        g_in = times(g, conj(minus(y_hat, y)))  # (14.35)
        return g_in if needs[0] else None, scale(g_in, -1) if needs[1] else None, None

    @staticmethod
    def jvp(tangents, y_hat, y, reduction):
        dy_hat, dy = tangents[:2]
        difference = dy_hat if dy is None else scale(dy, -1) if dy_hat is None else minus(dy_hat, dy)
        product = times(scale(minus(y_hat, y), 2 * _weight(y, reduction)), difference)
        if reduction != "none" or y.ndim <= 1:
            return sum_to_size(product, ())
        B = _datapoints(y)
        return reshape(sum_to_size(product, (B, *(1 for _ in y.shape[1:]))), (B,))

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


class Loss(Layer):
    """J_i of each entry, or of each datapoint, reduced; g_in = g_out dJ_i/dx, entry by entry.

    A subclass says `forward(*tensors, reduction, *constants)`, torch's kernel, and `partials(*tensors, *constants)`:
    of each tensor, how to compute dJ_i by its entries, so that what is not needed is not computed; None, where J_i is
    flat. All that is remembered are inputs, or their signs.
    """

    autocast = "float32"
    opmath: ClassVar[str | None] = "derivatives"
    #: How many of the inputs are tensors.
    tensors: ClassVar[int] = 2
    #: How many axes, the last ones, are of one datapoint: J_i is their sum. 0: each entry has its own J_i.
    axes: ClassVar[int] = 0

    @staticmethod
    def partials(*inputs: Any) -> tuple[Callable[[], Tensor] | None, ...]:
        raise NotImplementedError

    @classmethod
    def _partials(cls, inputs):
        return cls.partials(*inputs[: cls.tensors], *inputs[cls.tensors + 1 :])

    @classmethod
    def backward(cls, needs, g, *inputs):
        reduction, partials = inputs[cls.tensors], cls._partials(inputs)
        if reduction == "none" and cls.axes:
            g = reshape(g, (*g.shape, *(1 for _ in range(cls.axes))))

        def back(slope):
            n = slope.shape[: slope.ndim - cls.axes].numel() if reduction == "mean" else 1
            return times(scale(g, 1 / n) if n > 1 else g, conj(slope))

        g_in = [
            back(p()) if need and p is not None else None
            for need, p in zip(needs[: len(partials)], partials, strict=True)
        ]
        return *g_in, *(None for _ in inputs[len(g_in) :])

    @classmethod
    def jvp(cls, tangents, *inputs):
        x, reduction, partials = inputs[0], inputs[cls.tensors], cls._partials(inputs)
        terms = [
            times(t, p())
            for t, p in zip(tangents[: len(partials)], partials, strict=True)
            if t is not None and p is not None
        ]
        J = added(*terms) if terms else scale(x, 0)
        each = J.shape[: J.ndim - cls.axes]
        J = reshape(sum_to_size(J, (*each, *(1 for _ in range(cls.axes)))), each) if cls.axes else J
        return reduced(J, reduction, cls.title or cls.__name__)


# `size_average` and `reduce` are torch's old words for `reduction`.


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
        return sum_to_size(J, ()) if J.is_floating_point() or J.is_complex() else J.sum()
    check_floating(loss, J=J)
    return mean(J)


def alike(loss: str, y_hat: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one shape, with torch's warning where they have two, and in one floating-point dtype."""
    if y_hat.shape != y.shape:
        warnings.warn(
            f"{loss}: input {list(y_hat.shape)} and target {list(y.shape)} differ in shape, so they broadcast.",
            stacklevel=3,
        )
    y_hat, y = in_one_shape(y_hat, y)
    return y_hat, y


def in_one_shape(*tensors: Tensor) -> tuple[Tensor, ...]:
    """They all, broadcast, and those of real numbers in the widest of their dtypes; under autocast, in float32."""
    if torch._C._is_any_autocast_enabled():
        tensors = as_autocast("float32", tensors)
    shape = torch.broadcast_shapes(*[t.shape for t in tensors])
    dtypes = [t.dtype for t in tensors if t.is_floating_point()]
    dtype = functools.reduce(torch.promote_types, dtypes) if dtypes else None
    return tuple(broadcast_to(cast(t, dtype) if dtype and t.is_floating_point() else t, shape) for t in tensors)
