"""torch.linalg: determinants, inverses, decompositions, systems of linear equations, and the cross product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer.shape import ShapeError, was_given
from ...layers.core.arithmetic import minus, times
from ...layers.core.arrange import roll
from ...layers.linalg.inverse import Inverse, solve_ex
from .operands import by_name, of_reals


def _named(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    """f, with its outputs as torch's named tuple of that name."""

    def call(*args: Any, **kwargs: Any) -> Any:
        outputs = f(*args, **kwargs)
        return outputs if outputs is NotImplemented else getattr(torch.return_types, name)(outputs)

    return call


def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    """torch's second output is a copy of A."""
    A, also = F.branch(A)
    if transpose:
        A, upper = F.transpose(A), not upper
    x_out = F.solve_triangular(A, input, upper=upper, unitriangular=unitriangular)
    return x_out, F.clone(F.broadcast_to(also, (*x_out.shape[:-2], *A.shape[-2:])))


def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Native where U or V has additional columns, which are arbitrary."""
    if driver is not None or (full_matrices and A.ndim > 1 and A.shape[-1] != A.shape[-2]):
        return NotImplemented
    return F.svd(A, full_matrices)


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """V, not V^T."""
    if not compute_uv or (not some and input.ndim > 1 and input.shape[-1] != input.shape[-2]):
        return NotImplemented
    U, s, Vh = F.svd(input, False)
    return U, s, F.transpose(Vh)


def qr(A: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    if mode != "reduced" and (mode != "complete" or A.ndim < 2 or A.shape[-2] > A.shape[-1]):
        return NotImplemented  # torch has no derivative either
    return F.qr(A, mode)


def pinv(input: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    return F.pinv(input, atol=atol, rtol=rtol if rcond is None else rcond, hermitian=hermitian)


def tensorinv(input: Tensor, ind: int = 2) -> Tensor:
    """The inverse of input as a matrix: the first `ind` axes by the others."""
    rows, columns = input.shape[: max(ind, 0)], input.shape[max(ind, 0) :]
    if ind <= 0 or rows.numel() != columns.numel():
        raise RuntimeError(f"tensorinv: axes [:{ind}] have as many entries as the rest; {was_given(input=input)}")
    return F.reshape(F.inverse(F.reshape(input, (rows.numel(), columns.numel()))), (*columns, *rows))


def tensorsolve(input: Tensor, other: Tensor, dims: Any = None) -> Tensor:
    """Solves with input as a matrix: the first axes, of other's shape, by the rest; `dims` are moved to the end."""
    last = [d % input.ndim for d in dims or ()]
    A, B = F.permute(input, (*(d for d in range(input.ndim) if d not in last), *last)), other
    columns = A.shape[B.ndim :]
    if columns.numel() != B.numel() or A.numel() != B.numel() ** 2:
        raise RuntimeError(f"tensorsolve: A is a square matrix with a row for each entry of B; {was_given(A=A, B=B)}")
    x_out = F.solve(F.reshape(A, (B.numel(), columns.numel())), F.reshape(B, (B.numel(),)))
    return F.reshape(x_out, columns)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Entry k is a[k+1] b[k+2] - a[k+2] b[k+1], indices modulo 3."""
    if input.ndim != other.ndim or not (input.shape[dim] == other.shape[dim] == 3):
        given = was_given(input=input, other=other)
        raise ShapeError(f"cross: it expects as many axes, and 3 entries along dim={dim}; {given}")
    a, b = ([roll(x, -k, dim) for k in (1, 2)] for x in (input, other))
    return minus(times(a[0], b[1]), times(a[1], b[0]))


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Without `dim`: along the first axis of 3 entries."""
    if dim is None:
        if 3 not in input.shape:
            raise ShapeError(f"cross: no axis has 3 entries; {was_given(input=input)}")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim)


CALLS = by_name(F.cholesky_inverse, cross) | by_name(
    F.cholesky, F.solve, F.solve_triangular, pinv, tensorinv, tensorsolve, place="linalg.",
) | {
    "linalg.inv inverse": F.inverse,
    "linalg.inv_ex": _named("linalg_inv_ex", lambda A, *, check_errors=False: Inverse.of(A, check_errors)),
    "pinverse": lambda input, rcond=1e-15: F.pinv(input, rtol=rcond),
    "linalg.solve_ex": _named("linalg_solve_ex", solve_ex),
    "triangular_solve": _named("triangular_solve", triangular_solve),
    "cholesky": lambda input, upper=False: F.cholesky(input, upper=upper),
    "linalg.cholesky_ex": _named("linalg_cholesky_ex", F.cholesky_ex),
    "cholesky_solve": lambda input, input2, upper=False: F.cholesky_solve(input, input2, upper),
    "linalg.matrix_exp matrix_exp": F.matrix_exp,
    "linalg.matrix_power matrix_power": F.matrix_power,
    "linalg.cross": linalg_cross,
} | of_reals({
    "linalg.det det": F.det,
    "logdet": F.logdet,
    "linalg.eigvalsh": F.eigvalsh,
    "slogdet": _named("slogdet", F.slogdet),
    "linalg.slogdet": _named("linalg_slogdet", F.slogdet),
    "linalg.eigh": _named("linalg_eigh", F.eigh),
    "linalg.svdvals": lambda A, *, driver=None: F.svdvals(A) if driver is None else NotImplemented,
    "linalg.svd": _named("linalg_svd", linalg_svd),
    "svd": _named("svd", svd),
    "linalg.qr": _named("linalg_qr", qr),
    "qr": _named("qr", lambda input, some=True: qr(input, "reduced" if some else "complete")),
})  # fmt: skip
