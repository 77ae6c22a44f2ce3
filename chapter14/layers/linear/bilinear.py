"""Bilinear layer: linear in each of two inputs, and in W.

x_out[m] = sum_ij W[m, i, j] x1[i] x2[j] + b[m]           [M] from [I], [J], [M x I x J]

dJ/dx1[i]      = sum_mj W[m, i, j] g[m] x2[j]             a bilinear layer again, of g and x2
dJ/dx2[j]      = sum_mi W[m, i, j] g[m] x1[i]             and of g and x1
dJ/dW[m, i, j] = g[m] x1[i] x2[j]                         an outer product, summed over batch axes
"""

from __future__ import annotations

from torch import Tensor

from ...layer.base import Layer
from ...layer.shape import ShapeError, check_shapes, was_given
from ..core.arithmetic import added, times
from ..core.arrange import permute, reshape
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conj
from .linear import outer


class Bilinear(Layer):
    autocast = "widest"
    opmath = "all"
    letters = {"x1": "... I", "x2": "... J", "W": "M I J", "b": "M"}

    @staticmethod
    def forward(x1, x2, W, b):
        M, I, J = W.shape
        products = (x1 @ W.movedim(1, 0).reshape(I, M * J)).reshape(*x1.shape[:-1], M, J)
        x_out = (products @ x2[..., None]).squeeze(-1)
        return x_out if b is None else x_out + b

    @staticmethod
    def remember(needs, inputs, x_out):
        x1, x2, W, b = inputs
        return (
            x1 if needs[1] or needs[2] else None,
            x2 if needs[0] or needs[2] else None,
            W if needs[0] or needs[1] else None,
            None if b is None else b.shape,
        )

    @staticmethod
    def backward(needs, g, x1, x2, W, b_shape):
        return (
            bilinear(g, conj(x2), permute(conj(W), (1, 0, 2))) if needs[0] else None,
            bilinear(g, conj(x1), permute(conj(W), (2, 0, 1))) if needs[1] else None,
            _W_prime(g, conj(x1), conj(x2)) if needs[2] else None,
            sum_to_size(g, b_shape) if needs[3] else None,
        )

    @staticmethod
    def jvp(tangents, x1, x2, W, b):
        dx1, dx2, dW, db = tangents
        return added(
            None if dx1 is None else bilinear(dx1, x2, W),
            None if dx2 is None else bilinear(x1, dx2, W),
            None if dW is None else bilinear(x1, x2, dW),
            None if db is None else broadcast_to(db, (*x1.shape[:-1], W.shape[0])),
        )


def _W_prime(g: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
    (*batch, I), J = x1.shape, x2.shape[-1]
    products = times(reshape(x1, (*batch, I, 1)), reshape(x2, (*batch, 1, J)))
    return reshape(outer(g, reshape(products, (*batch, I * J))), (g.shape[-1], I, J))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1 [..., I], input2 [..., J], weight [M, I, J], bias [M] → [..., M]. As `torch.nn.functional.bilinear`."""
    check_shapes("bilinear", weight=(weight, "M I J"), bias=(bias, "M"))
    if input1.shape[:-1] != input2.shape[:-1]:
        given = was_given(input1=input1, input2=input2)
        raise ShapeError(f"bilinear: the batch axes differ. It expects input1 [..., I], input2 [..., J]; {given}")
    return Bilinear.of(input1, input2, weight, bias)
