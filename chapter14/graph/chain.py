"""Backpropagation for chains (section 14.4): Algorithm 14.1. The numbers beside the code are its lines.

 6  x_l      = f_l(x_{l-1}, θ_l)         l = 1, ..., L       forward pass
 9  g_L      = loss'(x_L, y)
12  g_{l-1}  = g_l L_l^x                 l = L, ..., 1       backward pass (14.10)
13  dJ/dθ_l  = g_l L_l^θ                                     (14.8)
    θ_l      ← θ_l - η dJ/dθ_l                               update (14.9)
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..layer.shape import ShapeError
from .chain_base import ChainBase
from .rule import Rule


class Chain(ChainBase):
    """x_0 → f_1 → x_1 → ... → f_L → x_L → loss(x_L, y) = J. Autograd has no part in it.

    >>> chain = Chain([nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)], F.l2_loss)
    >>> J = chain.forward(x0, y)  # chain.x is x_0, ..., x_L
    >>> gradients = chain.backward()  # chain.g is g_0, ..., g_L; g_0 is the gradient of the data
    >>> chain.update(lr=0.1)

    A layer f_l holds its θ_l: a module or function of `chapter14.nn` and `chapter14.functional`, or a `Block` such as
    `LinearBlock` (figure 14.11). `ChainBase` sets up layers, loss, x and g. The next pass reuses the memory of x and g.

    The passes raise a ShapeError where x_{l-1} does not fit layer l or J is not one number, and a RuntimeError where
    they are called out of order, or where a module has other parameters than when the chain was made.
    """

    def forward(self, x0: Tensor, y: Any) -> Tensor:
        """x_0 and y → J []."""
        self.x[0] = self._start(x0)
        try:
            for l, f in enumerate(self.layers, 1):  # 5
                self.x[l] = f.forward(self.x[l - 1])  # 6
        except ShapeError as error:
            raise ShapeError(f"Chain, layer {l}: {error}") from error
        J = self.loss.forward(self.x[-1], y)
        self._last = "forward"
        return J

    def backward(self, free: bool = False) -> list[tuple]:
        """dJ/dθ_l for each layer, as a tuple. `free` drops x_l and g_l once g_{l-1} is computed; x_0 and g_0 stay."""
        self._must_follow("backward", "forward", "backward")
        g, self.gradients = self.g, [()] * len(self.layers)
        g[-1] = self.loss.backward()  # 9
        for l in range(len(self.layers), 0, -1):  # 10
            g[l - 1], *dJdtheta = self.layers[l - 1].backward(g[l])  # 11 to 13: f_l multiplies g_l by L_l^x and L_l^θ
            self.gradients[l - 1] = tuple(dJdtheta)
            if free:
                self._free(l)
        self._last = "free" if free else "backward"
        return self.gradients

    def update(self, lr: float | Rule) -> None:
        """θ_l ← θ_l - η dJ/dθ_l, or as a `Rule` does. A θ that layers share gets the sum of its gradients (14.47)."""
        self._must_follow("update", "backward", "free")
        self._last = "an update that failed"
        if isinstance(lr, Rule):
            lr.update(self.layers, self.gradients)
        else:
            for f, dJdtheta in zip(self.layers, self.gradients, strict=True):
                f.update(*dJdtheta, lr=lr)  # (14.9)
        self._last = "update"
