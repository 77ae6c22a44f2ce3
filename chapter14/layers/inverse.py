"""Systems of linear equations, and inverses, over batch axes.

    solve    x_out = A^-1 B        dJ/dB = A^-T g_out        dJ/dA = -(A^-T g_out) x_out^T
    inverse  x_out = A^-1          dJ/dA = -x_out^T g_out x_out^T

x_out is worked out anew on the way back: what is remembered is A and B, so every order follows. ^T also conjugates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..layer import Layer
from .arithmetic import added, scale
from .arrange import transpose
from .branch import total
from .complex import conjugate
from .matmul import MatMul


class Inverse(Layer):
    @staticmethod
    def forward(A):
        return torch.linalg.inv(A)

    @staticmethod
    def backward(needs, g, A):
        x = transpose(conjugate(inverse(A)))
        return (scale(MatMul.of(MatMul.of(x, g), x), -1),)

    @staticmethod
    def jvp(tangents, A):
        x = inverse(A)
        return scale(MatMul.of(MatMul.of(x, tangents[0]), x), -1)


class Solve(Layer):
    letters = {"A": "... N N", "B": "... N K"}
    title = "solve"

    @staticmethod
    def forward(A, B):
        return torch.linalg.solve(A, B)

    @staticmethod
    def remember(needs, inputs, x_out):
        A, B = inputs
        return A, B if needs[0] else None, B.shape

    @staticmethod
    def backward(needs, g, A, B, B_shape):
        g_B = solve(transpose(conjugate(A)), g)
        dA = None
        if needs[0]:
            x = solve(A, B)
            dA = total(scale(MatMul.of(g_B, transpose(conjugate(x))), -1), A.shape)
        return dA, total(g_B, B_shape) if needs[1] else None

    @staticmethod
    def jvp(tangents, A, B):
        dA, dB = tangents
        change = None if dA is None else scale(MatMul.of(dA, solve(A, B)), -1)
        return solve(A, added(change, dB))


def inverse(A: Tensor) -> Tensor:
    """A [..., N, N] → its inverse, as `torch.linalg.inv`."""
    return Inverse.of(A)


def solve(A: Tensor, B: Tensor) -> Tensor:
    """A [..., N, N], B [..., N, K] of as many axes → the x with A x = B, as `torch.linalg.solve`."""
    return Solve.of(A, B)
