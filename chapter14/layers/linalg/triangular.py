"""Triangular systems of equations, Cholesky factors, and systems solved with them.

    solve_triangular  x_out = A^-1 B               dJ/dB = A^-T g_out,  dJ/dA = -T((A^-T g_out) x_out^T)
    cholesky          A = L L^T, x_out = L         dJ/dA = sym(L^-T P(L^T g_out) L^-1)

(Giles 2008, 2.1 and 2.3; Murray 2016.) T keeps the triangle that is read, without its diagonal where that is taken as
ones; P keeps the lower triangle, with half of the diagonal; sym X = (X + X^T)/2, because the lower triangle of A, which
is read, stands for a symmetric matrix. ^T also conjugates. A and B are saved, and x_out is computed again in the
backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer
from ...layer.shape import ShapeError, check_shapes, was_given
from ..core.arithmetic import added, plus, scale
from ..core.arrange import adjoint, reshape, transpose
from ..core.branch import branch, sum_to_size
from ..core.repeat import tril, triu
from ..linear.matmul import MatMul


class SolveTriangular(Layer):
    letters = {"A": "... N N", "B": "... N K"}
    title = "solve_triangular"

    @staticmethod
    def forward(A, B, upper, ones):
        return torch.linalg.solve_triangular(A, B, upper=upper, unitriangular=ones)

    @staticmethod
    def remember(needs, inputs, x_out):
        A, B, upper, ones = inputs
        return A, B if needs[0] else None, B.shape, upper, ones

    @staticmethod
    def backward(needs, g, A, B, B_shape, upper, ones):
        g_B = SolveTriangular.of(adjoint(A), g, not upper, ones)
        dA = None
        if needs[0]:
            x = SolveTriangular.of(A, B, upper, ones)
            dA = sum_to_size(_read(scale(MatMul.of(g_B, adjoint(x)), -1), upper, ones), A.shape)
        return dA, sum_to_size(g_B, B_shape) if needs[1] else None, None, None

    @staticmethod
    def jvp(tangents, A, B, upper, ones):
        dA, dB, *_ = tangents
        change = None
        if dA is not None:
            x = SolveTriangular.of(A, B, upper, ones)
            change = scale(MatMul.of(_read(dA, upper, ones), x), -1)
        return SolveTriangular.of(A, added(change, dB), upper, ones)


def _read(A: Tensor, upper: bool, ones: bool) -> Tensor:
    return triu(A, int(ones)) if upper else tril(A, -int(ones))


class Cholesky(Layer):
    """L and, for each matrix, an error code, 0 on success. With `check`, errors are raised."""

    autocast = "float32"
    many = True

    @staticmethod
    def forward(A, check):
        return tuple(torch.linalg.cholesky_ex(A, check_errors=check))

    @staticmethod
    def backward(needs, g, A, check):
        L, also = branch(Cholesky.of(A, check)[0])
        inner = SolveTriangular.of(adjoint(L), _half(MatMul.of(adjoint(also), g[0])), True, False)
        dA = adjoint(SolveTriangular.of(adjoint(L), adjoint(inner), True, False))
        return scale(plus(dA, adjoint(dA)), 0.5), None

    @staticmethod
    def jvp(tangents, A, check):
        L, info = Cholesky.of(A, check)
        dA = scale(plus(tangents[0], adjoint(tangents[0])), 0.5)
        inner = SolveTriangular.of(L, dA, False, False)
        inner = SolveTriangular.of(L, adjoint(inner), False, False)
        return MatMul.of(L, _half(adjoint(inner))), None


def _half(X: Tensor) -> Tensor:
    """The lower triangle, with half of the diagonal."""
    return scale(plus(tril(X), tril(X, -1)), 0.5)


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """A [..., N, N], B [..., N, K] → the x with A x = B, for A's upper or lower triangle; with left=False x A = B.

    As `torch.linalg.solve_triangular`; batch axes broadcast.
    """
    if A.ndim < 2 or B.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"solve_triangular: it expects A [..., N, N], B [..., N, K]; {was_given(A=A, B=B)}")
    if not left:
        x_out = solve_triangular(transpose(A), transpose(B), upper=not upper, unitriangular=unitriangular)
        return transpose(x_out)
    more = A.ndim - B.ndim
    A, B = reshape(A, (*[1] * -more, *A.shape)), reshape(B, (*[1] * more, *B.shape))
    return SolveTriangular.of(A, B, upper, unitriangular)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """A [..., N, N], symmetric and positive definite → L with A = L L^T, or L^T, as `torch.linalg.cholesky`."""
    return cholesky_ex(A, upper=upper, check_errors=True)[0]


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    """As `cholesky`, and an error code for each matrix, 0 on success; as `torch.linalg.cholesky_ex`."""
    check_shapes("cholesky", A=(A, "... N N"))
    L, info = Cholesky.of(adjoint(A) if upper else A, check_errors)
    return adjoint(L) if upper else L, info


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """B [..., N, K], a Cholesky factor L [..., N, N] → the x with L L^T x = B, as `torch.cholesky_solve`."""
    if B.ndim < 2:
        raise ShapeError(f"cholesky_solve: it expects B [..., N, K]; {was_given(B=B)}")
    L = adjoint(L) if upper else L
    L, also = branch(L)
    half = solve_triangular(L, B, upper=False)
    return solve_triangular(adjoint(also), half, upper=True)


def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """A Cholesky factor L [..., N, N] → the inverse of L L^T, as `torch.cholesky_inverse`."""
    check_shapes("cholesky_inverse", L=(L, "... N N"))
    I = torch.eye(L.shape[-1], dtype=L.dtype, device=L.device)
    return cholesky_solve(I, L, upper)
