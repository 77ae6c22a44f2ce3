"""Reductions over some axes or all: sums, means, variances, norms, softmax, and what is computed from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...layer.shape import axes
from ...layers.core.arithmetic import keep, minus, scale, shift, times
from ...layers.core.arrange import permute, reshape, transpose
from ...layers.core.branch import branch
from ...layers.core.cast import clone
from ...layers.core.complex import conj
from ...layers.linalg.eigen import svdvals
from ...layers.linear.matmul import matmul
from ...layers.norm import softmax
from ...layers.pointwise.binary import divide
from ...layers.pointwise.compare import clamp, where
from ...layers.pointwise.transcendental import reciprocal, sqrt
from ...layers.reduce import reduce
from ...layers.reduce.reduce import Dim, amax, amin, mean, sum, vector_norm
from .arithmetic import div, mul, sub
from .operands import by_name, in_dtype, of_numbers, of_reals, with_dtype


def nansum(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The sum of the entries that are not NaN."""
    return sum(keep(input, ~input.detach().isnan()), dim, keepdim)


def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The mean of the entries that are not NaN."""
    x_out = nansum(input, dim, keepdim)
    count = (~input.detach().isnan()).sum(axes(input, dim), keepdim)
    return times(x_out, count.to(x_out.dtype).reciprocal())


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    if dim is None:
        return reduce.prod(reshape(input, (input.numel(),)), 0)
    return reduce.prod(input, dim, keepdim)


def _spread(layer: Callable, with_mean: bool = False) -> Callable:
    """The forms of torch.var and torch.std: `unbiased`, which may be the second argument, is a correction of 1 or 0."""

    def call(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: float | None = None) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if unbiased is not None:
            correction = int(unbiased)
        correction = 1 if correction is None else correction
        if not with_mean:
            return layer(input, dim, keepdim, correction)
        x, also = branch(input)
        return layer(x, dim, keepdim, correction), mean(also, dim, keepdim)

    return call


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    x, also = branch(input)
    return torch.return_types.aminmax((amin(x, dim, keepdim), amax(also, dim, keepdim)))


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal."""
    if input.ndim != 2:
        return NotImplemented  # torch refuses it
    return sum(keep(input, torch.eye(*input.shape, dtype=torch.bool, device=input.device)))


def norm_of_vector(
    x: Tensor, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    return vector_norm(in_dtype(x, dtype), ord, dim, keepdim)


def norm_of_matrix(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """ord "fro": Frobenius norm; 1 and -1: the largest and smallest column sum of |A|; ∞ and -∞: the same of rows;
    "nuc", 2 and -2: the sum, the largest and the smallest of the singular values."""
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf) or len(dim) != 2 or A.ndim < 2:
        return NotImplemented  # torch refuses it
    axes(A, dim)
    rows, columns = (d % A.ndim for d in dim)
    A = in_dtype(A, dtype)
    if ord in ("nuc", 2, -2):
        kept = [d for d in range(A.ndim) if d not in (rows, columns)]
        s = svdvals(permute(A, (*kept, rows, columns)))
        x_out = sum(s, -1) if ord == "nuc" else (amax if ord > 0 else amin)(s, -1)
        return reshape(x_out, [A.shape[d] if d in kept else 1 for d in range(A.ndim)]) if keepdim else x_out
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    along, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(A, 1, along, keepdim)
    return (amax if ord > 0 else amin)(sums, over if keepdim or along > over else over - 1, keepdim)


def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """The norm of a vector or of a matrix: as many axes as `dim` names, or as A has."""
    if ord is None:
        return norm_of_vector(A, 2, dim, keepdim, dtype=dtype)
    named = A.ndim if dim is None else 1 if isinstance(dim, int) else len(dim)
    if named == 2:
        return norm_of_matrix(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    if named != 1 or isinstance(ord, str):
        return NotImplemented  # torch refuses it
    return norm_of_vector(A, ord, dim, keepdim, dtype=dtype)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Scales each slice along one axis down to `maxnorm` where its norm is larger."""
    if input.ndim < 2 or p <= 0 or maxnorm < 0:
        return NotImplemented  # torch refuses it
    axes(input, dim)
    x, also = branch(input if input.is_contiguous() else clone(input, torch.contiguous_format))
    length = vector_norm(also, p, [i for i in range(input.ndim) if i != dim % input.ndim], True)
    shorter = scale(reciprocal(shift(length, 1e-7)), maxnorm)
    return times(x, where(length.detach() > maxnorm, shorter, torch.ones_like(length)))


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm of each slice along one axis; with dim = -1, of the whole tensor."""
    return vector_norm(v, pow, None if dim == -1 else [i for i in range(v.ndim) if i != dim], dim != -1)


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """g v / |v| for each slice."""
    v, also = branch(v)
    return times(v, times(g, reciprocal(norm_except_dim(also, 2, dim))))


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """input [variables, observations] → [variables, variables]: sum w (x - μ) (x - μ)^H / (sum w - correction).

    w is the count of each observation (`fweights`), its weight (`aweights`), or their product.
    """
    given = [None if t is None else t.detach() for t in (fweights, aweights)]
    torch.cov(input.detach(), correction=correction, fweights=given[0], aweights=given[1])  # for its errors, warnings
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
    """sum w - correction, not below 0; with aweights, `correction` observations count by their mean weight."""
    if aweights is not None and correction:
        free = sub(whole, div(mul(_sum(mul(weights, aweights)), correction), whole))
    else:
        free = whole - correction if not whole.is_floating_point() else sub(whole, correction)
    return free if free.item() > 0 else torch.zeros_like(free)


def corrcoef(input: Tensor) -> Tensor:
    """cov, divided by the standard deviations of both variables."""
    if input.ndim > 2:
        return NotImplemented  # torch refuses it
    C, also = branch(cov(input))
    if C.ndim == 0:
        return divide(C, also)
    n = C.shape[0]
    std = sqrt(sum(keep(also, torch.eye(n, dtype=torch.bool, device=C.device)), 1))
    row, column = branch(std)
    return clamp(divide(divide(C, reshape(column, (n, 1))), reshape(row, (1, n))), -1, 1)


CALLS = of_numbers({
    **by_name(cov, norm_except_dim, renorm, trace),
    "sum": with_dtype(sum),
    "mean": with_dtype(mean),
    "prod": with_dtype(prod),
    "var": _spread(reduce.var),
    "std": _spread(reduce.std),
    "var_mean": _spread(reduce.var, with_mean=True),
    "std_mean": _spread(reduce.std_beside_mean, with_mean=True),
    "linalg.vector_norm": norm_of_vector,
    "linalg.matrix_norm": norm_of_matrix,
    "linalg.norm": norm,
    "dist": lambda input, other, p=2: vector_norm(minus(input, other), p),
    "_weight_norm": weight_norm,
    "logsumexp special.logsumexp": softmax.logsumexp,
}) | of_reals({
    **by_name(amax, amin, aminmax, corrcoef),
    "nansum": with_dtype(nansum),
    "nanmean": with_dtype(nanmean),
    "torch.softmax Tensor.softmax special.softmax":
        lambda input, dim, dtype=None: softmax.softmax(input, dim, dtype=dtype),
    "torch.log_softmax Tensor.log_softmax special.log_softmax":
        lambda input, dim, dtype=None: softmax.log_softmax(input, dim, dtype=dtype),
})  # fmt: skip
