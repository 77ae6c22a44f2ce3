"""Backpropagation through an MLP (section 14.6.4): the linear layer of figure 14.11, and the network of figure 14.1.

    z   = W_1 x          [3] = [3 x 4][4]           g_h^T = W_2^T g_y^T        [3] = [3 x 2][2]
    h   = relu(z)        [3]                        g_z^T = H' g_h^T           [3] = [3 x 3][3]
    ŷ   = W_2 h          [2] = [2 x 3][3]           g_x^T = W_1^T g_z^T        [4] = [4 x 3][3]
                   figure 14.15                                  figure 14.16, (14.36)

`LinearBlock` is figure 14.11, corrected: it states the linear layer's backward as the chapter's text does, and the
figure is drawn from it. A `Chain` accepts it as a layer; for `nn.Linear` it uses the faster `LinearStage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import functional as F
from .. import nn
from ..layer.jacobians import jacobian
from .chain import Chain
from .fast_mlp.layers import LinearStage, ReluStage


class LinearBlock:
    """The linear layer of figure 14.11: W [M, N], b [M]; x_in [..., N], g_out [..., M]."""

    def __init__(self, W: Tensor, b: Tensor):
        self.W = W.detach()
        self.b = b.detach()
        self.theta = [self.W, self.b]

    def forward(self, x_in: Tensor) -> Tensor:
        self.x_in = x_in
        return F.linear(x_in, self.W, self.b)  # (14.12); the figure's matmul(W, x) has no x

    def backward(self, g_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        g_in = F.matmul(g_out, self.W)  # (14.18)
        dJdW = F.outer(g_out, self.x_in)  # (14.29), in the shape of W
        dJdb = F.sum_to_size(g_out, self.b.shape)  # (14.20), and over a batch their sum
        return g_in, dJdW, dJdb

    def update(self, dJdW: Tensor, dJdb: Tensor, lr: float) -> None:
        self.W -= lr * dJdW  # (14.9); the figure transposes here what (14.29) has as [N x M]
        self.b -= lr * dJdb


def mlp(sizes: Sequence[int] = (4, 3, 2), bias: bool = False) -> Chain:
    """The MLP of figure 14.1 with an L2 loss: linear, relu, linear; `sizes` of x, of each hidden layer, of ŷ.

    Raises:
        ValueError: fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp: sizes are those of x, of each hidden layer and of ŷ; it was given {list(sizes)}.")
    layers: list[torch.nn.Module] = []
    for N, M in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(N, M, bias=bias), nn.ReLU()]
    return Chain(layers[:-1], F.l2_loss)


def backward_network(chain: Chain) -> list[Tensor]:
    """The backward pass as a network of linear layers, from the last on (figure 14.16): W_2^T, H', W_1^T.

    Each takes g_out^T to g_in^T (14.36); that of a relu layer is H' at the x_in of the last forward pass (14.31).

    Raises:
        RuntimeError: there has been no forward pass, or it had a batch: H' belongs to one datapoint.
        TypeError: the chain has other layers than those of an MLP.
    """
    if any(x is None or x.ndim != 1 for x in chain.x):
        raise RuntimeError("backward_network: it needs a forward pass of one datapoint x [N] first.")
    return [_L_x(f, x_in).mT for f, x_in in reversed([*zip(chain.layers, chain.x[:-1], strict=True)])]


def _L_x(f: Any, x_in: Tensor) -> Tensor:
    if isinstance(f, (LinearStage, LinearBlock)):
        return f.W  # (14.16)
    if isinstance(f, ReluStage):
        return jacobian(lambda x: F.relu(x, at_zero=f.at_zero), x_in)[0]  # (14.30)
    raise TypeError(f"backward_network: an MLP has linear and relu layers; this chain has {f}.")
