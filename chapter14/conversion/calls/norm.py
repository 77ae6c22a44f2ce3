"""Norms of vectors and matrices, as torch and torch.linalg call them, and what is measured by one."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...layer import cast
from ...layers.core.arithmetic import minus, scale, shift, times
from ...layers.core.arrange import permute, reshape
from ...layers.core.branch import branch
from ...layers.core.cast import clone
from ...layers.linalg.eigen import svdvals
from ...layers.pointwise.compare import where
from ...layers.pointwise.transcendental import reciprocal
from ...layers.reduce.reduce import Dim, amax, amin, sum, vector_norm
from ...shape import axes
from ..table import stands_for
from .operands import of_numbers


@stands_for("linalg.vector_norm")
@of_numbers
def norm_of_vector(
    x: Tensor, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    return vector_norm(x if dtype is None else cast(x, dtype), ord, dim, keepdim)


@stands_for("linalg.matrix_norm")
@of_numbers
def norm_of_matrix(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Frobenius'; 1 and -1, the largest and the smallest sum of |A| down a column; ∞ and -∞, along a row; "nuc", 2 and
    -2, the sum, the largest and the smallest of the singular values."""
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf) or len(dim) != 2 or A.ndim < 2:
        return NotImplemented  # which torch refuses
    axes(A, dim)
    rows, columns = (d % A.ndim for d in dim)
    A = A if dtype is None else cast(A, dtype)
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


@stands_for("linalg.norm")
@of_numbers
def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Of a vector or a matrix, by the number of axes that are named, or that there are."""
    if ord is None:
        return norm_of_vector(A, 2, dim, keepdim, dtype=dtype)
    named = A.ndim if dim is None else 1 if isinstance(dim, int) else len(dim)
    if named == 2:
        return norm_of_matrix(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)
    if named != 1 or isinstance(ord, str):
        return NotImplemented  # which torch refuses
    return norm_of_vector(A, ord, dim, keepdim, dtype=dtype)


@stands_for("dist")
@of_numbers
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return vector_norm(minus(input, other), p)


@stands_for("renorm")
@of_numbers
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """The slices of one axis, shortened to `maxnorm` where they are longer."""
    if input.ndim < 2 or p <= 0 or maxnorm < 0:
        return NotImplemented  # which torch refuses
    axes(input, dim)
    x, also = branch(input if input.is_contiguous() else clone(input, torch.contiguous_format))
    length = vector_norm(also, p, [i for i in range(input.ndim) if i != dim % input.ndim], True)
    shorter = scale(reciprocal(shift(length, 1e-7)), maxnorm)
    return times(x, where(length.detach() > maxnorm, shorter, torch.ones_like(length)))


@stands_for("norm_except_dim")
@of_numbers
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm of each slice of one axis; of the whole, where that is -1."""
    return vector_norm(v, pow, None if dim == -1 else [i for i in range(v.ndim) if i != dim], dim != -1)


@stands_for("_weight_norm")
@of_numbers
def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """g v / |v|, slice by slice."""
    v, also = branch(v)
    return times(v, times(g, reciprocal(norm_except_dim(also, 2, dim))))
