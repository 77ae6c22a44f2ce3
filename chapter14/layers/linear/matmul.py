"""Products of matrices, over batch axes that broadcast.

    matmul  x_out = a b                   [..., M, K][..., K, N] → [..., M, N]
            dJ/da = g_out b^T             dJ/db = a^T g_out
    addmm   x_out = beta c + alpha a b    the same, scaled, and dJ/dc = beta g_out

A linear layer is one of these, with b^T for W. Batch axes that broadcast are a branch: `sum_to_size` sums the gradient
over them; where b has none, `outer` does so in the product itself. For complex matrices, ^T also conjugates.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import added, scale
from ..core.arrange import reshape, transpose
from ..core.bilinear_map import BilinearMap
from ..core.bitmask import is_plain
from ..core.branch import broadcast_to, sum_to_size
from ..core.cast import clone
from ..core.complex import conj
from .linear import outer


class MatMul(BilinearMap):
    autocast = "lower"
    letters = {"a": "... M K", "b": "... K N"}

    forward = staticmethod(torch.matmul)

    @staticmethod
    def transpose_a(g, b, shape):
        return sum_to_size(MatMul.of(g, transpose(b)), shape)

    @staticmethod
    def transpose_b(g, a, shape):
        return outer(a, g) if len(shape) == 2 < a.ndim else sum_to_size(MatMul.of(transpose(a), g), shape)


class AddMM(Layer):
    """c broadcasts to a b. With beta = 0, c is left out, even where it is NaN."""

    autocast = "lower"
    letters = {"c": "... M N", "a": "... M K", "b": "... K N"}
    title = "addmm"

    @staticmethod
    def forward(c, a, b, beta, alpha):
        add = torch.addmm if a.ndim == 2 else torch.baddbmm
        return add(c, a, b, beta=beta, alpha=alpha)

    @staticmethod
    def remember(needs, inputs, x_out):
        c, a, b, beta, alpha = inputs
        return a if needs[2] else None, b if needs[1] else None, c.shape, beta, alpha

    @staticmethod
    def backward(needs, g, a, b, c_shape, beta, alpha):
        g_ab = scaled(g, alpha.conjugate()) if needs[1] or needs[2] else None
        return (
            scaled(sum_to_size(g, c_shape), beta.conjugate()) if needs[0] else None,
            MatMul.of(g_ab, transpose(conj(b))) if needs[1] else None,
            MatMul.of(transpose(conj(a)), g_ab) if needs[2] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, c, a, b, beta, alpha):
        dc, da, db, *_ = tangents
        return added(
            None if dc is None else broadcast_to(scaled(dc, beta), (*a.shape[:-1], b.shape[-1])),
            None if da is None else scaled(MatMul.of(da, b), alpha),
            None if db is None else scaled(MatMul.of(a, db), alpha),
        )


def scaled(x: Tensor, c: float) -> Tensor:
    """c x; x itself where c is 1."""
    return x if c == 1 else scale(x, c)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a [..., M, K], b [..., K, N] → [..., M, N], batch axes broadcast; vectors as in `torch.matmul`."""
    if a.ndim > 1 and b.ndim > 1:
        return MatMul.of(_one_batch(a), _one_batch(b)) if a.ndim == b.ndim else MatMul.of(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return MatMul.of(a, b)  # raises
    row, column = a.ndim == 1, b.ndim == 1
    x_out = MatMul.of(reshape(a, (1, *a.shape)) if row else a, reshape(b, (*b.shape, 1)) if column else b)
    keep = list(x_out.shape[:-2]) + ([] if row else [x_out.shape[-2]]) + ([] if column else [x_out.shape[-1]])
    return reshape(x_out, keep)


def _one_batch(x: Tensor) -> Tensor:
    """x, or a copy of it where its batch axes cannot be viewed as one: the product would copy it anyway.

    Then the copy is saved for the backward pass, and not the whole memory that x is a view of, as q, k and v are.
    """
    if x.ndim < 4 or not is_plain(x) or x.is_contiguous():
        return x
    batch = [(n, step) for n, step in zip(x.shape[:-2], x.stride(), strict=False) if n != 1]
    as_one = all(step == n * behind for (_, step), (n, behind) in itertools.pairwise(batch))
    return x if as_one or 0 in x.stride() else clone(x, torch.contiguous_format)


def addmm(c: Tensor, a: Tensor, b: Tensor, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta c + alpha a b: a [M, K], b [K, N], as `torch.addmm`, or [B, M, K], [B, K, N], as `torch.baddbmm`."""
    return AddMM.of(c, a, b, beta, alpha)
