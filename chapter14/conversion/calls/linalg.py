"""Systems of linear equations, and the cross product, as torch.linalg calls them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.arithmetic import minus, times
from ...layers.core.arrange import roll
from ...layers.linalg.inverse import Inverse
from ...layers.linalg.inverse import solve_ex as _solve_ex
from ...shape import ShapeError, in_words
from ..table import stands_for
from .operands import of_reals

stands_for("linalg.inv")(F.inverse)
stands_for("linalg.solve")(F.solve)
stands_for("linalg.det")(of_reals(F.det))
stands_for("logdet")(of_reals(F.logdet))


@stands_for("inverse")
def inverse(input: Tensor) -> Tensor:
    return F.inverse(input)


@stands_for("det")
@of_reals
def det(input: Tensor) -> Tensor:
    return F.det(input)


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
    return _named("linalg_inv_ex", *Inverse.of(A, check_errors))


@stands_for("linalg.solve_triangular")
def solve_triangular(
    input: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    return F.solve_triangular(input, B, upper=upper, left=left, unitriangular=unitriangular)


@stands_for("cholesky_solve")
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    return F.cholesky_solve(input, input2, upper)


@stands_for("cholesky_inverse")
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    return F.cholesky_inverse(input, upper)


@stands_for("linalg.eigvalsh")
@of_reals
def eigvalsh(input: Tensor, UPLO: str = "L") -> Tensor:
    return F.eigvalsh(input, UPLO)


@stands_for("linalg.matrix_exp", "matrix_exp")
def matrix_exp(input: Tensor) -> Tensor:
    return F.matrix_exp(input)


@stands_for("cholesky")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    return F.cholesky(input, upper=upper)


@stands_for("linalg.cholesky")
def linalg_cholesky(input: Tensor, *, upper: bool = False) -> Tensor:
    return F.cholesky(input, upper=upper)


@stands_for("linalg.cholesky_ex")
def cholesky_ex(input: Tensor, *, upper: bool = False, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    return _named("linalg_cholesky_ex", *F.cholesky_ex(input, upper=upper, check_errors=check_errors))


@stands_for("triangular_solve")
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    """A's copy is torch's second output."""
    A, also = F.branch(A)
    if transpose:
        A, upper = F.transpose(A), not upper
    x_out = F.solve_triangular(A, input, upper=upper, unitriangular=unitriangular)
    return _named("triangular_solve", x_out, F.clone(F.broadcast_to(also, (*x_out.shape[:-2], *A.shape[-2:]))))


@stands_for("linalg.eigh")
@of_reals
def eigh(input: Tensor, UPLO: str = "L") -> tuple[Tensor, Tensor]:
    return _named("linalg_eigh", *F.eigh(input, UPLO))


@stands_for("linalg.svdvals")
@of_reals
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    return F.svdvals(A) if driver is None else NotImplemented


@stands_for("linalg.svd")
@of_reals
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Of all of a larger U or V, the vectors that are left over are any: torch's own."""
    if driver is not None or (full_matrices and A.ndim > 1 and A.shape[-1] != A.shape[-2]):
        return NotImplemented
    return _named("linalg_svd", *F.svd(A, full_matrices))


@stands_for("svd")
@of_reals
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """V, and not V^T."""
    if not compute_uv or (not some and input.ndim > 1 and input.shape[-1] != input.shape[-2]):
        return NotImplemented
    U, s, Vh = F.svd(input, False)
    return _named("svd", U, s, F.transpose(Vh))


@stands_for("linalg.qr")
@of_reals
def linalg_qr(A: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    if mode != "reduced" and (mode != "complete" or A.ndim < 2 or A.shape[-2] > A.shape[-1]):
        return NotImplemented  # which has no derivative in torch either
    return _named("linalg_qr", *F.qr(A, mode))


@stands_for("qr")
@of_reals
def qr(input: Tensor, some: bool = True) -> tuple[Tensor, Tensor]:
    x_out = linalg_qr(input, "reduced" if some else "complete")
    return x_out if x_out is NotImplemented else _named("qr", *x_out)


@stands_for("linalg.pinv")
def pinv(
    input: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
) -> Tensor:
    return F.pinv(input, atol=atol, rtol=rtol if rcond is None else rcond, hermitian=hermitian)


@stands_for("pinverse")
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    return F.pinv(input, rtol=rcond)


@stands_for("linalg.matrix_power", "matrix_power")
def matrix_power(input: Tensor, n: int) -> Tensor:
    return F.matrix_power(input, n)


@stands_for("linalg.solve_ex")
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    return _named("linalg_solve_ex", *_solve_ex(A, B, left=left, check_errors=check_errors))


@stands_for("linalg.tensorinv")
def tensorinv(input: Tensor, ind: int = 2) -> Tensor:
    """Of input as a matrix: the first `ind` axes by the others."""
    rows, columns = input.shape[: max(ind, 0)], input.shape[max(ind, 0) :]
    if ind <= 0 or rows.numel() != columns.numel():
        raise RuntimeError(f"tensorinv: of {list(input.shape)}, ind={ind} axes are no rows of a square matrix.")
    return F.reshape(F.inverse(F.reshape(input, (rows.numel(), columns.numel()))), (*columns, *rows))


@stands_for("linalg.tensorsolve")
def tensorsolve(input: Tensor, other: Tensor, dims: Any = None) -> Tensor:
    """Of input as a matrix: the first axes, which have other's entries, by the rest; `dims` come last."""
    last = [d % input.ndim for d in dims or ()]
    A, B = F.permute(input, (*(d for d in range(input.ndim) if d not in last), *last)), other
    columns = A.shape[B.ndim :]
    if columns.numel() != B.numel() or A.numel() != B.numel() ** 2:
        raise RuntimeError(f"tensorsolve: A {list(A.shape)} is no square matrix, of rows as B {list(B.shape)}.")
    x_out = F.solve(F.reshape(A, (B.numel(), columns.numel())), F.reshape(B, (B.numel(),)))
    return F.reshape(x_out, columns)


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
