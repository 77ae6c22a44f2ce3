"""Eigenvalues and eigenvectors of symmetric matrices, and singular values and vectors.

    A = V diag(λ) V^T      dJ/dA of λ         V diag(g_λ) V^T
                           dJ/dA of V         V (Z / 2E) V^T                     E_ij = λ_j - λ_i
    A = U diag(s) V^T      dJ/dA of s         U diag(g_s) V^T
                           dJ/dA of U, V      U ((X / E) S + S (Y / E)) V^T      E_ij = s_j² - s_i²
                                              + (I - U U^T) g_U S^-1 V^T + U S^-1 g_V^T (I - V V^T)

    [..., N, N] → [..., N], [..., N, N]       [..., M, N] → [..., M, K], [..., K], [..., K, N],  K = min(M, N)

with X = U^T g_U - (U^T g_U)^T, and Y, Z = V^T g_V - (V^T g_V)^T; the diagonal of a quotient by E is 0. eigh and
eigvalsh read one triangle of a matrix, which stands for a symmetric matrix. (Giles 2008, 3.1 and 3.2; Townsend 2016;
Seeger et al. 2017.) Repeated values have a gradient, but not their vectors, because E is 0. So values and vectors are
separate layers, and A is factored for each. A is saved, and factored again in the backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer
from ...layer.shape import check_real, check_shapes, in_words
from ..core.arithmetic import minus, plus, scale, sum_along, times
from ..core.arrange import reshape, transpose
from ..core.branch import branch
from ..core.index import masked_fill
from ..core.view import unsqueeze
from ..linear.matmul import MatMul
from ..pointwise.transcendental import reciprocal, square


class Eigenvalues(Layer):
    """`triangle` is the triangle of A that is read, "L" or "U"."""

    autocast = "float32"

    forward = staticmethod(torch.linalg.eigvalsh)

    @staticmethod
    def backward(needs, g, A, triangle):
        V = Eigenvectors.of(A, triangle)
        return MatMul.of(times(V, _columns(g)), transpose(V)), None

    @staticmethod
    def jvp(tangents, A, triangle):
        V = Eigenvectors.of(A, triangle)
        return _column_sums(times(V, MatMul.of(tangents[0], V)))


class Eigenvectors(Layer):
    autocast = "float32"

    @staticmethod
    def forward(A, triangle):
        return torch.linalg.eigh(A, triangle)[1]

    @staticmethod
    def backward(needs, g, A, triangle):
        V, values = Eigenvectors.of(A, triangle), Eigenvalues.of(A, triangle)
        W = MatMul.of(transpose(V), g)
        skew = scale(_by_gaps(minus(W, transpose(W)), values), 0.5)
        return MatMul.of(MatMul.of(V, skew), transpose(V)), None

    @staticmethod
    def jvp(tangents, A, triangle):
        V, values = Eigenvectors.of(A, triangle), Eigenvalues.of(A, triangle)
        P = MatMul.of(transpose(V), MatMul.of(tangents[0], V))
        return MatMul.of(V, scale(_by_gaps(plus(P, transpose(P)), values), 0.5))


class SingularValues(Layer):
    autocast = "float32"

    forward = staticmethod(torch.linalg.svdvals)

    @staticmethod
    def backward(needs, g, A):
        U, Vh = SingularVectors.of(A)
        return (MatMul.of(times(U, _columns(g)), Vh),)

    @staticmethod
    def jvp(tangents, A):
        U, Vh = SingularVectors.of(A)
        return _column_sums(times(U, MatMul.of(tangents[0], transpose(Vh))))


class SingularVectors(Layer):
    """U and V^T."""

    autocast = "float32"
    many = True

    @staticmethod
    def forward(A):
        U, _, Vh = torch.linalg.svd(A, full_matrices=False)
        return U, Vh

    @staticmethod
    def backward(needs, g, A):
        (U, Vh), s, (g_U, g_Vh) = SingularVectors.of(A), SingularValues.of(A), g
        P, Q, squares = MatMul.of(transpose(U), g_U), MatMul.of(g_Vh, transpose(Vh)), square(s)
        left = times(_by_gaps(minus(P, transpose(P)), squares), _columns(s))
        right = times(_rows(s), _by_gaps(minus(transpose(Q), Q), squares))
        dA = MatMul.of(MatMul.of(U, plus(left, right)), Vh)
        M, N = A.shape[-2:]
        if M > N:
            dA = plus(dA, MatMul.of(_divided(minus(g_U, MatMul.of(U, P)), _columns(s)), Vh))
        if N > M:
            dA = plus(dA, MatMul.of(U, _divided(minus(g_Vh, MatMul.of(Q, Vh)), _rows(s))))
        return (dA,)

    @staticmethod
    def jvp(tangents, A):
        (U, Vh), s, dA = SingularVectors.of(A), SingularValues.of(A), tangents[0]
        from_left, from_right = MatMul.of(transpose(U), dA), MatMul.of(dA, transpose(Vh))
        P, squares = MatMul.of(from_left, transpose(Vh)), square(s)
        left, right = times(P, _columns(s)), times(_rows(s), P)
        dU = MatMul.of(U, _by_gaps(plus(left, transpose(left)), squares))
        dVh = scale(MatMul.of(_by_gaps(plus(right, transpose(right)), squares), Vh), -1)
        M, N = A.shape[-2:]
        if M > N:
            dU = plus(dU, _divided(minus(from_right, MatMul.of(U, P)), _columns(s)))
        if N > M:
            dVh = plus(dVh, _divided(minus(from_left, MatMul.of(P, Vh)), _rows(s)))
        return dU, dVh


def _by_gaps(W: Tensor, values: Tensor) -> Tensor:
    """W / E, E_ij = values_j - values_i; 0 on the diagonal."""
    gaps = minus(_columns(values), _rows(values))
    itself = torch.eye(values.shape[-1], dtype=torch.bool, device=values.device)
    return _divided(W, masked_fill(gaps, itself, torch.inf))


def _divided(W: Tensor, by: Tensor) -> Tensor:
    return times(W, reciprocal(by))


def _columns(s: Tensor) -> Tensor:
    """s [..., K] as [..., 1, K], to multiply the columns of a matrix."""
    return unsqueeze(s, -2)


def _rows(s: Tensor) -> Tensor:
    """s [..., K] as [..., K, 1], to multiply the rows of a matrix."""
    return unsqueeze(s, -1)


def _column_sums(X: Tensor) -> Tensor:
    """The sum of each column."""
    return reshape(sum_along(X, -2), (*X.shape[:-2], X.shape[-1]))


def eigh(A: Tensor, UPLO: str = "L") -> tuple[Tensor, Tensor]:
    """A [..., N, N], symmetric → its eigenvalues [..., N], in ascending order, and its eigenvectors.

    As `torch.linalg.eigh`: only the triangle UPLO of A is read.
    """
    check_real("eigh", A=A)
    check_shapes("eigh", A=(A, "... N N"))
    A, also = branch(A)
    return Eigenvalues.of(A, UPLO), Eigenvectors.of(also, UPLO)


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """A [..., N, N], symmetric → its eigenvalues [..., N], as `torch.linalg.eigvalsh`."""
    check_real("eigvalsh", A=A)
    check_shapes("eigvalsh", A=(A, "... N N"))
    return Eigenvalues.of(A, UPLO)


def svd(A: Tensor, full_matrices: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """A [..., M, N] → U [..., M, K], s [..., K], V^T [..., K, N], as `torch.linalg.svd`.

    Raises:
        NotImplementedError: for full_matrices=True of a matrix that is not square; the additional vectors of U or V
            have no derivative.
    """
    check_real("svd", A=A)
    check_shapes("svd", A=(A, "... M N"))
    if full_matrices and A.shape[-1] != A.shape[-2]:
        raise NotImplementedError(f"svd: full_matrices=True is for square matrices; it was given {in_words(A)}.")
    A, also = branch(A)
    U, Vh = SingularVectors.of(also)
    return U, SingularValues.of(A), Vh


def svdvals(A: Tensor) -> Tensor:
    """A [..., M, N] → its singular values [..., K], in descending order, as `torch.linalg.svdvals`."""
    check_real("svdvals", A=A)
    check_shapes("svdvals", A=(A, "... M N"))
    return SingularValues.of(A)
