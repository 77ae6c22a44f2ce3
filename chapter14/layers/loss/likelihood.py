"""Losses that are -log of how likely the data is.

    kl_div              J = y (log y - x),  x = log ŷ           dJ/dx = -y
    poisson_nll_loss    J = exp x - y x                         dJ/dx = exp x - y
    gaussian_nll_loss   J = (log v + d² / v) / 2,  d = ŷ - y    dJ/dd = d / v,  dJ/dv = (1 / v - d² / v²) / 2

entry by entry; then their mean, their sum, or none of these.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.shape import ShapeError, check_floating, check_real, was_given
from ..core.arithmetic import keep, minus, plus, power, scale, shift, times
from ..core.arrange import reshape
from ..pointwise.pointwise import exp, log
from .distance import Floor
from .loss import Loss, in_one_shape, reduced, the_reduction


class KlDiv(Loss):
    """x is log ŷ, and y is probable as it is; or its logarithm: then J = exp(y) (y - x)."""

    title = "kl_div"
    letters = {"x": "...", "y": "..."}

    @staticmethod
    def forward(x, y, reduction, log_target):
        return reduced(y.exp() * (y - x) if log_target else y.xlogy(y) - y * x, reduction, "kl_div")

    @staticmethod
    def kept(needs, x, y, log_target):
        return x if needs[1] else None, y, log_target

    @staticmethod
    def partials(x, y, log_target):
        if log_target:
            return lambda: scale(exp(y), -1), lambda: times(exp(y), shift(minus(y, x), 1))
        return lambda: scale(y, -1), lambda: shift(minus(log(y), x), 1)


class PoissonNll(Loss):
    """x is the logarithm of what is expected, or that itself: then J = x - y log(x + ε).

    `full` adds what y alone makes of it, by Stirling: y log y - y + log(2πy) / 2, where y > 1.
    """

    title = "poisson_nll_loss"
    letters = {"x": "...", "y": "..."}

    @staticmethod
    def forward(x, y, reduction, log_input, full, eps):
        return native.poisson_nll_loss(x, y, log_input, full, eps=eps, reduction=reduction)

    @staticmethod
    def kept(needs, x, y, log_input, full, eps):
        return x, y if needs[0] or full else None, log_input, full, eps

    @staticmethod
    def partials(x, y, log_input, full, eps):
        def by_x():
            if log_input:
                return minus(exp(x), y)
            return shift(scale(times(y, power(shift(x, eps), -1)), -1), 1)

        def by_y():
            slope = scale(x if log_input else log(shift(x, eps)), -1)
            if not full:
                return slope
            many = ~(y.detach() <= 1)
            safe = plus(keep(y, many), (~many).to(y.dtype))
            return plus(slope, keep(plus(log(safe), scale(power(safe, -1), 0.5)), many))

        return by_x, by_y


class GaussianNll(Loss):
    """Of d = ŷ - y."""

    title = "gaussian_nll_loss"
    opmath = "all"
    letters = {"d": "...", "v": "..."}

    @staticmethod
    def forward(d, v, reduction, full):
        J = (v.log() + d.square() / v) * 0.5
        return reduced(J + 0.5 * math.log(2 * math.pi) if full else J, reduction, "gaussian_nll_loss")

    @staticmethod
    def partials(d, v, full):
        r = power(v, -1)
        s = times(d, r)
        return lambda: s, lambda: scale(minus(r, times(s, s)), 0.5)


def kl_div(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """input [*] of log probabilities, target [*] of probabilities (or their logarithms).

    As `torch.nn.functional.kl_div`; `reduction` is "batchmean" too, the sum over the size of the first axis.
    """
    if size_average is not None or reduce is not None or reduction != "batchmean":
        reduction = the_reduction("kl_div", size_average, reduce, reduction)
    if reduction == "mean" and size_average is None and reduce is None:
        warnings.warn("kl_div: reduction='mean' is over the entries; the divergence is 'batchmean'.", stacklevel=2)
    check_floating("kl_div", input=input, target=target)
    check_real("kl_div", input=input, target=target)
    x, y = in_one_shape(input, target)
    if reduction != "batchmean":
        return KlDiv.of(x, y, reduction, log_target)
    J = KlDiv.of(x, y, "sum", log_target)
    return scale(J, 1 / input.shape[0] if input.shape[0] else math.nan) if input.ndim else J


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average: bool | None = None,
    eps: float = 1e-8, reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """input [*] of what is expected (or its logarithm), target [*] of counts.

    As `torch.nn.functional.poisson_nll_loss`.
    """
    reduction = the_reduction("poisson_nll_loss", size_average, reduce, reduction)
    return PoissonNll.of(*in_one_shape(input, target), reduction, log_input, full, eps)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """input [*] of means, target [*], var [*] or [*, 1] or [*] without its last axis, or a number.

    Where var is less than `eps`, it counts as that. As `torch.nn.functional.gaussian_nll_loss`.

    Raises:
        ValueError: var is negative somewhere, or does not fit; an unknown reduction.
    """
    v = _variance(input, var)
    reduction = the_reduction("gaussian_nll_loss", None, None, reduction)
    y_hat, y = in_one_shape(input, target)
    return GaussianNll.of(*in_one_shape(minus(y_hat, y), Floor.of(v, eps)), reduction, full)


def _variance(x: Tensor, var: Tensor | float) -> Tensor:
    v = var if isinstance(var, Tensor) else torch.full_like(x, var)
    check_floating("gaussian_nll_loss", var=v)
    if not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()) and (v < 0).any():
        raise ValueError("gaussian_nll_loss: var is negative somewhere.")
    if v.shape == x.shape:
        return v
    if v.shape == x.shape[:-1]:
        return reshape(v, (*v.shape, 1))
    if v.ndim == x.ndim and sum(m for n, m in zip(x.shape, v.shape, strict=True) if n != m) == 1:
        return v
    fits = "the shape of input, or 1 on one of its axes, or its axes but the last"
    raise ShapeError(f"gaussian_nll_loss: var has {fits}; {was_given(input=x, var=v)}")
