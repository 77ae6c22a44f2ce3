"""QR: a matrix as the product of an orthogonal and a triangular matrix.

    A = Q R      [..., M, N] → [..., M, K], [..., K, N],    K = min(M, N)

    dJ/dA = (g_Q + Q (T + T^T)) R^-T,    T: the upper triangle of g_R R^T - Q^T g_Q, with half of the diagonal

where M >= N (Walter, Lehmann & Lamour 2012; Seeger et al. 2017). A wider matrix is [A_1, A_2] with A_1 square: then
A_1 = Q R_1 and R = [R_1, Q^T A_2]. A is saved, and factored again in the backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer
from ...layer.shape import check_real, check_shapes, in_words
from ..core.arithmetic import minus, plus, scale
from ..core.arrange import transpose
from ..core.branch import branch
from ..core.merge import merge, split
from ..core.repeat import triu
from ..linear.matmul import MatMul
from .triangular import solve_triangular


class QR(Layer):
    """For matrices with at least as many rows as columns."""

    autocast = "float32"
    many = True

    @staticmethod
    def forward(A):
        return tuple(torch.linalg.qr(A))

    @staticmethod
    def backward(needs, g, A):
        (Q, R), (g_Q, g_R) = QR.of(A), g
        T = _half(minus(MatMul.of(g_R, transpose(R)), MatMul.of(transpose(Q), g_Q)))
        inner = plus(g_Q, MatMul.of(Q, plus(T, transpose(T))))
        return (solve_triangular(transpose(R), inner, upper=False, left=False),)

    @staticmethod
    def jvp(tangents, A):
        Q, R = QR.of(A)
        X = solve_triangular(R, tangents[0], upper=True, left=False)
        C = MatMul.of(transpose(Q), X)
        T = _half(plus(C, transpose(C)))
        return minus(X, MatMul.of(Q, T)), MatMul.of(T, R)


def _half(X: Tensor) -> Tensor:
    """The upper triangle, with half of the diagonal."""
    return scale(plus(triu(X), triu(X, 1)), 0.5)


def qr(A: Tensor, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """A [..., M, N] → Q [..., M, K], R [..., K, N], as `torch.linalg.qr`.

    Raises:
        NotImplementedError: for a mode without a derivative, in which Q is larger or missing.
    """
    check_real("qr", A=A)
    check_shapes("qr", A=(A, "... M N"))
    M, N = A.shape[-2:]
    if mode != "reduced" and (mode != "complete" or M > N):
        raise NotImplementedError(f"qr: mode={mode!r} of {in_words(A)} has no derivative; mode='reduced' has.")
    if M >= N:
        return QR.of(A)
    square, rest = split(A, [M, N - M], -1)
    Q, R = QR.of(square)
    Q, also = branch(Q)
    return Q, merge(R, MatMul.of(transpose(also), rest))
