"""Systems of linear equations, and the cross product, as torch.linalg calls them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layers.arithmetic import minus, times
from ...layers.arrange import roll
from ...shape import ShapeError, in_words
from ..table import stands_for
from .operands import of_reals

stands_for("inverse", "linalg.inv")(F.inverse)
stands_for("linalg.solve")(F.solve)
stands_for("det", "linalg.det")(of_reals(F.det))
stands_for("logdet")(of_reals(F.logdet))


def _named(name: str, *outputs: Tensor) -> Any:
    """The outputs as torch names them."""
    return getattr(torch.return_types, name)(outputs)


@stands_for("slogdet")
@of_reals
def slogdet(input: Tensor) -> tuple[Tensor, Tensor]:
    return _named("slogdet", *F.slogdet(input))


@stands_for("linalg.slogdet")
@of_reals
def linalg_slogdet(A: Tensor) -> tuple[Tensor, Tensor]:
    return _named("linalg_slogdet", *F.slogdet(A))


@stands_for("linalg.inv_ex")
def inv_ex(A: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    info = torch.linalg.inv_ex(A.detach(), check_errors=check_errors).info
    return NotImplemented if info.any() else _named("linalg_inv_ex", F.inverse(A), info)


stands_for("linalg.solve_triangular")(F.solve_triangular)
stands_for("linalg.cholesky")(F.cholesky)
stands_for("cholesky_solve")(F.cholesky_solve)
stands_for("cholesky_inverse")(F.cholesky_inverse)


@stands_for("cholesky")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    return F.cholesky(input, upper=upper)


@stands_for("linalg.cholesky_ex")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    return _named("linalg_cholesky_ex", *F.cholesky_ex(A, upper=upper, check_errors=check_errors))


@stands_for("triangular_solve")
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    """A's copy is torch's second output."""
    A, also = F.branch(A)
    if transpose:
        A, upper = F.transpose(A), not upper
    x_out = F.solve_triangular(A, b, upper=upper, unitriangular=unitriangular)
    return _named("triangular_solve", x_out, F.copied(F.spread(also, (*x_out.shape[:-2], *A.shape[-2:]))))


@stands_for("linalg.cross")
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Entry k is a[k+1] b[k+2] - a[k+2] b[k+1], the axis taken as a ring."""
    if input.ndim != other.ndim or not (input.shape[dim] == other.shape[dim] == 3):
        raise ShapeError(
            f"cross: it expects as many axes, and 3 entries along dim={dim}; it was given input "
            f"{in_words(input)}, other {in_words(other)}."
        )
    a, b = ([roll(x, -k, dim) for k in (1, 2)] for x in (input, other))
    return minus(times(a[0], b[1]), times(a[1], b[0]))


@stands_for("cross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Without a dim: the first axis that has 3 entries."""
    if dim is None:
        if 3 not in input.shape:
            raise ShapeError(f"cross: no axis has 3 entries; it was given input {in_words(input)}.")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim)
