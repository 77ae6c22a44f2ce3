"""Linear layer (section 14.6.1).

    x_out = W x_in + b                    [M] = [M x N][N] + [M]    (14.12)

    g_in  = g_out L^x = g_out W           [N]        (14.18)
    dJ/dW = g_out L^W = g_out^T x_in      [M x N]    (14.29), an outer product
    dJ/db = g_out L^b = g_out             [M]        (14.20)

Tensors may have batch axes `...` in front; the parameter gradients are summed over them, (14.11).
The chapter keeps dJ/dW transposed and transposes it back in `update`; here it has the shape of W.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...layer.shape import ShapeError
from ..core.arrange import reshape, transpose
from ..core.bilinear_map import BiasedMap, BilinearMap
from ..core.branch import sum_to_size
from ..core.complex import conj
from ..core.product import mm


class Linear(BiasedMap):
    autocast = "lower"
    letters = {"x": "... N", "W": "M N", "b": "M"}

    forward = staticmethod(nn.functional.linear)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, W, b = inputs
        return x if needs[1] else None, W if needs[0] else None  # and no shapes: saving only tensors is faster

    @staticmethod
    def backward(needs, g, x, W):
        return (
            linear(g, transpose(conj(W))) if needs[0] else None,  # forward again, weights transposed (14.36)
            outer(g, conj(x)) if needs[1] else None,
            sum_to_size(g, g.shape[-1:]) if needs[2] else None,  # b branches to every datapoint (14.7)
        )

    @staticmethod
    def backward_once(needs, g, x, W):
        """As matrices, without calling layers, which takes longer than a small product itself."""
        shape, M = g.shape, g.shape[-1]
        if len(shape) != 2:
            n = shape[:-1].numel()
            g, x = g.reshape(n, M), x if x is None else x.reshape(n, x.shape[-1])
        by_x, by_W, _ = gradient_factors(g, x, W)
        return (
            mm(*by_x).view(*shape[:-1], W.shape[1]) if needs[0] else None,
            mm(*by_W) if needs[1] else None,
            g.sum(0) if needs[2] else None,
        )

    @staticmethod
    def L(x, W):
        """Of one datapoint: W, (14.16); x_in[k] where i == j, else 0, (14.14); I, (14.17)."""
        (M, N), B = W.shape, x.shape[:-1].numel()
        I = torch.eye(M).to(x)  # the chapter's letter
        L_x = torch.kron(torch.eye(B).to(x), W)
        L_W = (I[:, :, None] * x.reshape(B, 1, 1, N)).reshape(B * M, M * N)
        return L_x, L_W, I.repeat(B, 1)


class Outer(BilinearMap):
    """dJ/dW of a linear layer; its transposes are linear layers again."""

    autocast = "lower"
    letters = {"g": "... M", "x": "... N"}

    @staticmethod
    def forward(g, x):
        n = g.shape[:-1].numel()
        return g.reshape(n, g.shape[-1]).mT @ x.reshape(n, x.shape[-1])

    @staticmethod
    def transpose_a(G, x, shape):
        return linear(x, G)

    @staticmethod
    def transpose_b(G, g, shape):
        return linear(g, transpose(G))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input [..., N], weight [M, N], bias [M] → [..., M]. As `torch.nn.functional.linear`; (14.12).

    A weight [N] is a single row, and then x_out has no axis M.
    """
    if weight.ndim == 1:
        if bias is not None and input.ndim == 2:
            raise ShapeError("linear: weight [N] with a bias does not fit input [B, N], in torch either.")
        return reshape(Linear.of(input, reshape(weight, (1, *weight.shape)), bias), input.shape[:-1])
    return Linear.of(input, weight, bias)


def gradient_factors(g: Any, x: Any, W: Any, ones: Any = None) -> tuple[Any, Any, Any]:
    """g_in, dJ/dW and dJ/db of matrices, each as the two factors of a product: (14.18), (14.29) and (14.20).

    g [B, M], x [B, N], W [M, N] and ones [B] are tensors, or numpy arrays. The caller chooses how to multiply: into new
    memory, into preallocated memory, or added to what is there.
    """
    return (g, W), (g.T, x), (g.T, ones)


def outer(g: Tensor, x: Tensor) -> Tensor:
    """g [..., M], x [..., N] → [M, N], summed over the batch axes; (14.29)."""
    return Outer.of(g, x)
