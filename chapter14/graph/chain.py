"""Backpropagation for chains (section 14.4): forward, then backward, over a list of layers.

    x_l      = f_l(x_{l-1}, θ_l)         l = 1, ..., L       forward pass
    g_L      = loss'(x_L, y)
    g_{l-1}  = g_l L_l^x                 l = L, ..., 1       backward pass (14.10)
    dJ/dθ_l  = g_l L_l^θ                                     (14.8)

Algorithm 14.1, line by line; the numbers beside the code are its lines. Autograd has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import functional as F
from .. import nn
from ..shape import ShapeError, in_words
from . import inplace
from .block import Block


class Chain:
    """x_0 → f_1 → x_1 → ... → f_L → x_L → loss(x_L, y) = J.

    >>> chain = Chain([nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)], F.l2_loss)
    >>> J = chain.forward(x0, y)
    >>> gradients = chain.backward()
    >>> chain.update(lr=0.1)

    A layer is a module or a function out of `chapter14.nn` and `chapter14.functional`, a `Block`, or an object with the
    methods of one, as in figure 14.11. Modules keep their parameters, which `update` moves. The loss takes x_L and y.

    Attributes:
        x: x_0, ..., x_L of the last forward pass.
        g: g_0, ..., g_L of the last backward pass, g_l in the shape of x_l. g_0 is the gradient of the data.
        gradients: dJ/dθ of the last backward pass: for each layer, a tuple in the order of its θ.

    The memory of x_1 to x_L and of g is used again by the next pass: clone what is to outlast it.

    Raises:
        ValueError: the same `Block` stands at two places.
    """

    def __init__(self, layers: Sequence[Any], loss: Callable[[Tensor, Any], Tensor]):
        self.layers = [_stage(f) for f in layers]
        if len({id(f) for f in self.layers}) < len(self.layers):
            raise ValueError(
                "Chain: one block stands at two places, and it keeps one pass only; θ can be shared, not it."
            )
        self.loss = inplace.L2Loss() if _is_l2(loss) else _Loss(loss)
        self.x: list[Any] = [None] * (len(self.layers) + 1)
        self.g: list[Any] = [None] * (len(self.layers) + 1)
        self.gradients: list[tuple] = []
        self._last = ""
        memory = [t.untyped_storage().data_ptr() for f in self.layers for t in f.theta]
        self._shares = len(set(memory)) < len(memory)

    def forward(self, x0: Tensor, y: Any) -> Tensor:
        """x_0 and y → J [].

        Raises:
            ShapeError: a layer does not fit what comes to it, or the loss is not one number.
        """
        self._last = ""
        self.x[0] = x = x0.detach() if x0.requires_grad else x0
        try:
            for l, f in enumerate(self.layers, 1):  # noqa: E741  # 5
                self.x[l] = x = f.forward(x)  # 6
        except ShapeError as error:
            raise ShapeError(f"Chain, layer {l}: {error}") from error
        J = self.loss.forward(x, y)
        self._last = "forward"
        return J

    def backward(self, free: bool = False) -> list[tuple]:
        """dJ/dθ_l of the last forward pass: for each layer a tuple, empty where it has no θ.

        With `free`, x_l and g_l are let go as soon as g_{l-1} is there: of the two passes x_0 and g_0 are left.

        Raises:
            RuntimeError: there has been no forward pass, or θ has moved since.
        """
        self._must_follow("backward", "forward", "backward")
        self.g[-1] = g = self.loss.backward()  # 9
        self.gradients = [()] * len(self.layers)
        if free:
            _free(self.loss)
        for l in range(len(self.layers), 0, -1):  # noqa: E741  # 10
            f = self.layers[l - 1]
            g, *dJdtheta = f.backward(g)  # 11, 12, 13: L_l is in the layer, as a product and not as a matrix
            self.g[l - 1], self.gradients[l - 1] = g, tuple(dJdtheta)
            if free:
                self.x[l] = self.g[l] = None
                _free(f)
        self._last = "free" if free else "backward"
        return self.gradients

    def update(self, lr: float) -> None:
        """θ_l ← θ_l - η dJ/dθ_l for each layer (14.9). A θ that layers share gets the sum of its gradients (14.47).

        Raises:
            RuntimeError: there has been no backward pass since the last forward or update.
        """
        self._must_follow("update", "backward", "free")
        for f, dJdtheta in zip(self.layers, self.gradients, strict=True):
            f.update(*dJdtheta, lr=lr)
        self._last = "update"

    def descend(self, lr: float) -> None:
        """`backward` and `update` in one, and faster: dJ/dθ is a product that goes straight into θ.

        What no update waits for is left out: g_0 and `gradients` are None and [] then.

        Raises:
            RuntimeError: there has been no forward pass, or θ has moved since.
        """
        self._must_follow("descend", "forward", "backward")
        if self._shares:  # a θ that is still to be gone back through cannot move yet
            self.backward()
            return self.update(lr)
        self.g[-1] = g = self.loss.backward()
        for l in range(len(self.layers), 0, -1):  # noqa: E741
            self.g[l - 1] = g = _descend(self.layers[l - 1], g, lr, l > 1)
        self.gradients, self._last = [], "update"

    def _must_follow(self, this: str, *those: str) -> None:
        if self._last not in those:
            last = f"the last was {self._last}" if self._last else "there has been none"
            raise RuntimeError(f"Chain: {this} comes after {those[0]}; {last}.")


def _descend(f: Any, g: Tensor | None, lr: float, wants_g_in: bool) -> Tensor | None:
    if hasattr(f, "descend"):
        return f.descend(g, lr, wants_g_in)
    g_in, *dJdtheta = f.backward(g)
    f.update(*dJdtheta, lr=lr)
    return g_in if wants_g_in else None


def _free(f: Any) -> None:
    if hasattr(f, "free"):
        f.free()


def _stage(f: Any) -> Any:
    """f with the methods forward, backward and update: in place where it is one of the layers that have such a form."""
    if not isinstance(f, torch.nn.Module) and all(hasattr(f, name) for name in ("forward", "backward", "update")):
        return f
    if type(f) is nn.Linear and all(p.requires_grad for p in f.parameters()) and not _is_hooked(f):
        return inplace.Linear(f.weight, f.bias)
    if isinstance(f, nn.ReLU) and type(f).forward is nn.ReLU.forward and not _is_hooked(f):
        return inplace.Relu(f.at_zero)
    return inplace.Relu() if f is F.relu else Block(f)


def _is_hooked(f: torch.nn.Module) -> bool:
    return any(vars(f)[name] for name in vars(f) if name.endswith("_hooks"))


def _is_l2(loss: Any) -> bool:
    return loss is F.l2_loss or type(loss) is nn.L2Loss and loss.reduction == "mean"


class _Loss:
    """A loss as a block: the way back begins with g_out = 1 (14.35)."""

    def __init__(self, loss: Callable[[Tensor, Any], Tensor]):
        self.block = Block(loss)

    def forward(self, x_L: Tensor, y: Any) -> Tensor:
        self.J = self.block.forward(x_L, y)
        if self.J.shape != ():
            raise ShapeError(f"Chain: the loss is one number, J []; {self.block.name} gave {in_words(self.J)}.")
        return self.J

    def backward(self) -> Tensor | None:
        return self.block.backward(torch.ones_like(self.J))[0]
