"""Products of matrices, over batch axes that broadcast.

    x_out = a b           [..., M, K][..., K, N] → [..., M, N]
    dJ/da = g_out b^T     dJ/db = a^T g_out

A linear layer is one of these, with b^T for W. Batch axes that broadcast are a branch: `total` adds up what comes back.
"""

from __future__ import annotations

from torch import Tensor

from ..layer import Layer
from .arithmetic import added
from .arrange import reshape, transpose
from .branch import total


class MatMul(Layer):
    autocast = "lower"
    letters = {"a": "... M K", "b": "... K N"}

    @staticmethod
    def forward(a, b):
        return a @ b

    @staticmethod
    def remember(needs, inputs, x_out):
        a, b = inputs
        return a if needs[1] else None, b if needs[0] else None, a.shape, b.shape

    @staticmethod
    def backward(needs, g, a, b, a_shape, b_shape):
        return (
            total(MatMul.of(g, transpose(b)), a_shape) if needs[0] else None,
            total(MatMul.of(transpose(a), g), b_shape) if needs[1] else None,
        )

    @staticmethod
    def jvp(tangents, a, b):
        da, db = tangents
        return added(None if da is None else MatMul.of(da, b), None if db is None else MatMul.of(a, db))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a [..., M, K], b [..., K, N] → [..., M, N], batch axes broadcast; vectors as in `torch.matmul`."""
    if a.ndim > 1 and b.ndim > 1:
        return MatMul.of(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return MatMul.of(a, b)  # raises
    row, column = a.ndim == 1, b.ndim == 1
    x_out = MatMul.of(reshape(a, (1, *a.shape)) if row else a, reshape(b, (*b.shape, 1)) if column else b)
    keep = list(x_out.shape[:-2]) + ([] if row else [x_out.shape[-2]]) + ([] if column else [x_out.shape[-1]])
    return reshape(x_out, keep)
