"""Systems of linear equations, and inverses, over batch axes.

    solve    x_out = A^-1 B        dJ/dB = A^-T g_out        dJ/dA = -(A^-T g_out) x_out^T
    inverse  x_out = A^-1          dJ/dA = -x_out^T g_out x_out^T
    pinv     x_out = A^+           dJ/dA = -x_out^T g_out x_out^T
                                           + (I - A x_out) g_out^T x_out x_out^T + x_out^T x_out g_out^T (I - x_out A)

(Giles 2008, 2.2; Golub & Pereyra 1973, for matrices of constant rank.) A and B are saved, and x_out is computed again
in the backward pass, so derivatives of every order follow. ^T also conjugates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import added, minus, plus, scale
from ..core.arrange import adjoint, reshape, transpose
from ..core.branch import sum_to_size
from ..linear.matmul import MatMul


class Inverse(Layer):
    """The inverse and, for each matrix, an error code, 0 on success. With `check`, errors are raised."""

    many = True

    @staticmethod
    def forward(A, check):
        return tuple(torch.linalg.inv_ex(A, check_errors=check))

    @staticmethod
    def backward(needs, g, A, check):
        return _along(adjoint(Inverse.of(A, check)[0]), g[0]), None

    @staticmethod
    def jvp(tangents, A, check):
        return _along(Inverse.of(A, check)[0], tangents[0]), None


def _along(x: Tensor, E: Tensor) -> Tensor:
    """The derivative of the inverse x along E, -x E x."""
    return scale(MatMul.of(MatMul.of(x, E), x), -1)


class Solve(Layer):
    """x_out and, for each matrix, an error code, as `Inverse`."""

    letters = {"A": "... N N", "B": "... N K"}
    title = "solve"
    many = True

    @staticmethod
    def forward(A, B, check):
        return tuple(torch.linalg.solve_ex(A, B, check_errors=check))

    @staticmethod
    def remember(needs, inputs, x_out):
        A, B, check = inputs
        return A, B if needs[0] else None, B.shape, check

    @staticmethod
    def backward(needs, g, A, B, B_shape, check):
        g_B = Solve.of(adjoint(A), g[0], check)[0]
        dA = None
        if needs[0]:
            x = Solve.of(A, B, check)[0]
            dA = sum_to_size(scale(MatMul.of(g_B, adjoint(x)), -1), A.shape)
        return dA, sum_to_size(g_B, B_shape) if needs[1] else None, None

    @staticmethod
    def jvp(tangents, A, B, check):
        dA, dB, _ = tangents
        change = None if dA is None else scale(MatMul.of(dA, Solve.of(A, B, check)[0]), -1)
        return Solve.of(A, added(change, dB), check)[0], None


class Pinv(Layer):
    """A [..., M, N] → [..., N, M]. Singular values up to `atol`, or `rtol` times the largest, count as 0."""

    @staticmethod
    def forward(A, atol, rtol, hermitian):
        return torch.linalg.pinv(A, atol=atol, rtol=rtol, hermitian=hermitian)

    @staticmethod
    def backward(needs, g, A, *options):
        X, g = Pinv.of(A, *options), adjoint(g)
        Xh = adjoint(X)
        left, right = MatMul.of(MatMul.of(g, X), Xh), MatMul.of(Xh, MatMul.of(X, g))
        left = minus(left, MatMul.of(A, MatMul.of(X, left)))
        right = minus(right, MatMul.of(MatMul.of(right, X), A))
        through = MatMul.of(MatMul.of(Xh, adjoint(g)), Xh)
        return minus(plus(left, right), through), None, None, None

    @staticmethod
    def jvp(tangents, A, *options):
        X, dA = Pinv.of(A, *options), tangents[0]
        Xh, dAh = adjoint(X), adjoint(dA)
        left, right = MatMul.of(MatMul.of(dAh, Xh), X), MatMul.of(X, MatMul.of(Xh, dAh))
        left = minus(left, MatMul.of(X, MatMul.of(A, left)))
        right = minus(right, MatMul.of(MatMul.of(right, A), X))
        return minus(plus(left, right), MatMul.of(MatMul.of(X, dA), X))


def inverse(A: Tensor) -> Tensor:
    """A [..., N, N] → its inverse, as `torch.linalg.inv`."""
    return Inverse.of(A, True)[0]


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """A [..., N, N], B [..., N, K] → the x with A x = B, or x A = B, as `torch.linalg.solve`.

    B has vectors [..., N] where its shape is A's without the last axis.
    """
    return solve_ex(A, B, left=left, check_errors=True)[0]


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    """As `solve`, and an error code for each matrix, 0 on success; as `torch.linalg.solve_ex`."""
    if B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]):
        x_out, info = solve_ex(A, reshape(B, (*B.shape, 1)), left=left, check_errors=check_errors)
        return reshape(x_out, x_out.shape[:-1]), info
    if not left:
        x_out, info = solve_ex(transpose(A), transpose(B), check_errors=check_errors)
        return transpose(x_out), info
    more = A.ndim - B.ndim
    return Solve.of(reshape(A, (*[1] * -more, *A.shape)), reshape(B, (*[1] * more, *B.shape)), check_errors)


def pinv(
    A: Tensor, *, atol: float | Tensor | None = None, rtol: float | Tensor | None = None, hermitian: bool = False
) -> Tensor:
    """A [..., M, N] → its pseudoinverse [..., N, M], as `torch.linalg.pinv`.

    Its derivative is for changes of A that keep its rank.
    """
    return Pinv.of(A, atol, rtol, hermitian)
