"""What torch says of a sample: how its variables vary together."""

from __future__ import annotations

import torch
from torch import Tensor

from ...layers.core.arithmetic import keep, minus
from ...layers.core.arrange import reshape, transpose
from ...layers.core.branch import branch
from ...layers.core.complex import conj
from ...layers.linear.matmul import matmul
from ...layers.pointwise.binary import divide
from ...layers.pointwise.compare import clamp
from ...layers.pointwise.transcendental import sqrt
from ...layers.reduce.reduce import mean, sum
from ..table import stands_for
from .arithmetic import div, mul, sub
from .operands import of_numbers, of_reals


@stands_for("cov")
@of_numbers
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """input [variables, observations] → [variables, variables]: sum w (x - μ) (x - μ)^T / (sum w - correction), where
    ^T also conjugates.

    w counts the observations (`fweights`) or weighs them (`aweights`), or both.
    """
    given = [None if t is None else t.detach() for t in (fweights, aweights)]
    torch.cov(input.detach(), correction=correction, fweights=given[0], aweights=given[1])  # its errors and warnings
    x = reshape(input, (1, input.numel())) if input.ndim < 2 else input
    n = x.shape[1]
    w = [t for t in (fweights, aweights) if t is not None]
    if not w:
        a, b = branch(minus(x, mean(x, 1, True)))
        x_out = div(matmul(a, transpose(conj(b))), max(n - correction, 0))
    else:
        weights = w[0] if len(w) == 1 else mul(*w)
        whole = _sum(weights)
        a, b = branch(minus(x, div(sum(mul(x, weights), 1, True), whole)))
        x_out = div(matmul(mul(a, weights), transpose(conj(b))), _free(whole, weights, aweights, correction))
    return reshape(x_out, ()) if x.shape[0] == 1 else x_out


def _sum(x: Tensor) -> Tensor:
    return sum(x) if x.is_floating_point() else x.sum()


def _free(whole: Tensor, weights: Tensor, aweights: Tensor | None, correction: int) -> Tensor:
    """sum w - correction, where `correction` is as many observations as aweights say; and not below 0."""
    if aweights is not None and correction:
        free = sub(whole, div(mul(_sum(mul(weights, aweights)), correction), whole))
    else:
        free = whole - correction if not whole.is_floating_point() else sub(whole, correction)
    return free if free.item() > 0 else torch.zeros_like(free)


@stands_for("corrcoef")
@of_reals
def corrcoef(input: Tensor) -> Tensor:
    """cov, in units of each variable's own standard deviation."""
    if input.ndim > 2:
        return NotImplemented  # which torch refuses
    C, also = branch(cov(input))
    if C.ndim == 0:
        return divide(C, also)
    n = C.shape[0]
    std = sqrt(sum(keep(also, torch.eye(n, dtype=torch.bool, device=C.device)), 1))
    row, column = branch(std)
    return clamp(divide(divide(C, reshape(column, (n, 1))), reshape(row, (1, n))), -1, 1)
