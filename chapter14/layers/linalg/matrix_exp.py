"""Powers of matrices: e^A, A^n.

    matrix_exp    x_out = sum_k A^k / k!      L^A E: the upper right block of exp [[A, E], [0, A]]      [..., N, N]
    matrix_power  x_out = A A ... A           n < 0: of A^-1

L^T at A is L at A^T (Higham 2008, 10.6); ^T also conjugates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer, cast
from ...layer.shape import check_floating, check_shapes
from ..core.arrange import adjoint, narrow
from ..core.branch import branch
from ..core.cast import clone
from ..core.merge import merge
from ..linear.matmul import MatMul
from .inverse import inverse


class MatrixExp(Layer):
    opmath = "all"  # PyTorch's kernel overflows in bfloat16

    forward = staticmethod(torch.linalg.matrix_exp)

    @staticmethod
    def backward(needs, g, A):
        return (_along(adjoint(A), g),)

    @staticmethod
    def jvp(tangents, A):
        return _along(A, tangents[0])


def _along(A: Tensor, E: Tensor) -> Tensor:
    """The derivative of e^A along E."""
    n = A.shape[-1]
    block = merge(merge(A, E), merge(torch.zeros_like(A), A), dim=-2)
    return narrow(narrow(MatrixExp.of(block), -2, 0, n), -1, n, n)


def matrix_exp(A: Tensor) -> Tensor:
    """A [..., N, N] → e^A, as `torch.linalg.matrix_exp`."""
    check_floating("matrix_exp", A=A)
    check_shapes("matrix_exp", A=(A, "... N N"))
    return MatrixExp.of(A)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A [..., N, N] → A^n, as `torch.linalg.matrix_power`."""
    check_shapes("matrix_power", A=(A, "... N N"))
    if A.dtype in (torch.float16, torch.bfloat16):  # rounded once: intermediate products may overflow
        return cast(matrix_power(cast(A, torch.float32), n), A.dtype)
    if n == 0:
        return torch.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand(A.shape).clone()
    return clone(A) if n == 1 else _power(inverse(A) if n < 0 else A, abs(n))


def _power(A: Tensor, n: int) -> Tensor:
    if n == 1:
        return A
    even = n % 2 == 0
    factor, also = branch(_power(A, n // 2) if even else A)
    return MatMul.of(factor if even else _power(factor, n - 1), also)
