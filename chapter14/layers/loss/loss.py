"""Loss layers (section 14.6.3): x_out is the cost J, and g_out is 1 where the backward pass begins.

    J    = ‖ŷ - y‖²                 the L2 loss of one datapoint
    L^x  = 2 (ŷ - y)                [1 x |y|]     (14.34)
    g_in = g_out 2 (ŷ - y)          [*y]          (14.35)

Over a batch, J is the mean of the datapoints' J_i, (14.11). `Loss` is what the losses of `torch.nn.functional` have in
common: J_i of each entry or datapoint, and its partial derivatives; then their mean, their sum, or none of these.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn._reduction import legacy_get_string

from ...layer.base import cast
from ...layer.precision import as_autocast
from ...layer.shape import ShapeError, check_floating, was_given
from ..core.arithmetic import minus, scale
from ..core.arrange import reshape
from ..core.branch import broadcast_to, sum_to_size
from ..pointwise.elementwise import Elementwise, differential, gradients
from ..reduce.reduce import mean

REDUCTIONS = ("none", "mean", "sum")


class Loss(Elementwise):
    """J of each entry, or of each datapoint, and then their mean, their sum, or none of these.

    A subclass has `forward(*tensors, reduction, *constants)`, torch's kernel, and `partials(*tensors, *constants)`: for
    each tensor a function that computes dJ_i by its entries; None, where that is 0. The tensors have one shape.
    """

    autocast = "float32"
    #: How many of the inputs are tensors.
    tensors: ClassVar[int] = 2
    #: How many of the last axes belong to one datapoint: J_i is a sum over them. 0: each entry has its own J_i.
    axes: ClassVar[int] = 0
    #: A number that the partial derivatives leave out: g is multiplied by it, which may be one number for all entries.
    factor: ClassVar[float] = 1

    @classmethod
    def each(cls, shape: torch.Size) -> torch.Size:
        """The shape of the J_i."""
        return shape[: len(shape) - cls.axes]

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        *tensors, reduction = inputs[: cls.tensors + 1]
        return inputs[0].shape, reduction, *cls.kept(needs, *tensors, *inputs[cls.tensors + 1 :])

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        shape, reduction, *kept = remembered
        each = cls.each(shape)
        share = cls.factor / (max(each.numel(), 1) if reduction == "mean" else 1)
        g = scale(g, share) if share != 1 else g
        if reduction == "none" and each != shape:
            g = reshape(g, (*each, *(1 for _ in shape[len(each) :])))
        return gradients(cls.partials(*kept), needs, g)

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        shape, reduction, *kept = cls.remember([t is not None for t in tangents], inputs, None)
        each = cls.each(shape)
        J = differential(cls.partials(*kept), tangents)
        J = torch.zeros_like(inputs[0]) if J is None else scale(J, cls.factor)
        if each != shape:
            J = reshape(sum_to_size(J, (*each, *(1 for _ in shape[len(each) :]))), each)
        return reduced(J, reduction, cls.title or cls.__name__)


class L2Loss(Loss):
    title = "l2_loss"
    letters = {"y_hat": "...", "y": "..."}
    opmath = "all"
    factor = 2

    @staticmethod
    def forward(y_hat, y, reduction):
        square = (y_hat - y).square()
        J = square.sum(tuple(range(1, y.ndim))) if y.ndim > 1 else square.sum()
        return J if reduction == "none" else J.mean() if reduction == "mean" else J.sum()

    @classmethod
    def each(cls, shape):
        return shape[:1] if len(shape) > 1 else shape[:0]

    @staticmethod
    def partials(y_hat, y):
        difference = minus(y_hat, y)  # (14.35)
        return lambda: difference, lambda: scale(difference, -1)

    @classmethod
    def L(cls, shape, reduction, y_hat, y):
        """Of one datapoint 2 (ŷ - y), a row vector, (14.34)."""
        n = max(cls.each(shape).numel(), 1)
        row = (2 * (y_hat - y).detach() / (n if reduction == "mean" else 1)).reshape(n, -1)
        L_x = torch.block_diag(*row) if reduction == "none" else row.reshape(1, -1)
        return L_x, -L_x


def check_reduction(loss: str, reduction: str) -> None:
    """Checks the name of a reduction.

    Raises:
        ValueError: it is none of torch's.
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
        raise ShapeError(f"l2_loss: y_hat and y have one shape; {was_given(y_hat=y_hat, y=y)}")
    return L2Loss.of(y_hat, y, reduction)


def the_reduction(loss: str, size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction, from torch's deprecated `size_average` and `reduce` if they are given."""
    if size_average is not None or reduce is not None:
        return legacy_get_string(size_average, reduce)
    check_reduction(loss, reduction)
    return reduction


def reduced(J: Tensor, reduction: str, loss: str) -> Tensor:
    """The J_i, their sum, or their mean (14.11)."""
    if reduction == "none":
        return J
    if reduction == "sum":
        return sum_to_size(J, ()) if J.is_floating_point() or J.is_complex() else J.sum()
    check_floating(loss, J=J)
    return mean(J)


def alike(loss: str, y_hat: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both broadcast to one shape, with torch's warning if they differ, and in one floating-point dtype."""
    if y_hat.shape != y.shape:
        warnings.warn(
            f"{loss}: input {list(y_hat.shape)} and target {list(y.shape)} differ in shape, so they broadcast.",
            stacklevel=3,
        )
    y_hat, y = in_one_shape(y_hat, y)
    return y_hat, y


def in_one_shape(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, broadcast; those of floating point in the widest of their dtypes, under autocast in float32."""
    if torch._C._is_any_autocast_enabled():
        tensors = as_autocast("float32", tensors, cast)
    shapes = [t.shape for t in tensors]  # broadcast_shapes imports sympy, which takes as long as torch
    shape = shapes[0] if all(s == shapes[0] for s in shapes) else torch.broadcast_shapes(*shapes)
    dtypes = [t.dtype for t in tensors if t.is_floating_point()]
    dtype = functools.reduce(torch.promote_types, dtypes) if dtypes else None
    return tuple(broadcast_to(cast(t, dtype) if dtype and t.is_floating_point() else t, shape) for t in tensors)
