"""Backpropagation for chains (section 14.4): forward, then backward, over a list of layers.

    x_l      = f_l(x_{l-1}, θ_l)         l = 1, ..., L       forward pass
    g_L      = loss'(x_L, y)
    g_{l-1}  = g_l L_l^x                 l = L, ..., 1       backward pass (14.10)
    dJ/dθ_l  = g_l L_l^θ                                     (14.8)

Algorithm 14.1, line by line; the numbers beside the code are its lines. Autograd has no part in it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..layer.shape import ShapeError, check_real
from .fast_mlp.jacobian_product import Factors
from .fast_mlp.passes import LaidOut, Passes
from .fast_mlp.stages import leaves, loss_stage, stage, standing_for
from .rule import SGD, Rule, Whole


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

    The memory of x_1 to x_L and of g is used again by the next pass: clone what is to outlast it. Parameters may be
    written to in between, by whomever; a chain whose modules got other ones, or in another dtype, says so.

    Raises:
        ValueError: the same `Block` stands at two places.
    """

    def __init__(self, layers: Sequence[Any], loss: Callable[[Tensor, Any], Tensor]):
        self.layers = [stage(f) for f in layers]
        if len({id(f) for f in self.layers}) < len(self.layers):
            raise ValueError(
                "Chain: one block stands at two places, and it keeps one pass only; θ can be shared, not it."
            )
        self.loss = loss_stage(loss)
        self.x: list[Any] = [None] * (len(self.layers) + 1)
        self.g: list[Any] = [None] * (len(self.layers) + 1)
        self.gradients: list[tuple] = []
        self._last = ""
        memory = [t.untyped_storage().data_ptr() for f in self.layers for t in f.theta if t.numel()]
        self._shares = len(set(memory)) < len(memory)
        self._first = next((i for i, f in enumerate(self.layers, 1) if f.theta), len(self.layers) + 1)  # with a θ
        self._plain = SGD()
        self._descends = [getattr(f, "descend", None) or functools.partial(self._descend, f) for f in self.layers]
        self._is_mlp = bool(self.layers) and all(isinstance(f, LaidOut) for f in self.layers)
        self._passes: Passes | None = None
        self._factors: Factors | None = None
        modules = [m for f in layers if isinstance(f, torch.nn.Module) for m in f.modules()]
        self._held = [
            (m._parameters, name, p, p.data_ptr(), p.requires_grad)
            for m in modules
            for name, p in m._parameters.items()
            if p is not None
        ]

    @classmethod
    def from_module(cls, model: torch.nn.Module, loss: Callable[[Tensor, Any], Tensor]) -> Chain:
        """The chain of a `Sequential`, of `torch.nn`'s layers or of `chapter14.nn`'s, or of a single layer.

        It moves the model's own parameters: they share their memory, and there is nothing to bring back. The loss may
        be PyTorch's or ours. relu'(0) is PyTorch's 0 where the relu is PyTorch's.

        Raises:
            TypeError: a layer, or the loss, has no hand-written twin.
        """
        return cls([standing_for(f, name) for name, f in leaves(model)], standing_for(loss, "the loss"))

    def forward(self, x0: Tensor, y: Any) -> Tensor:
        """x_0 and y → J [].

        Raises:
            ShapeError: a layer does not fit what comes to it, or the loss is not one number.
            RuntimeError: a module has other parameters than when the chain was made.
            NotImplementedError: x0 is complex.
        """
        check_real("Chain", x0=x0)
        self._last = ""
        self._has_its_parameters()
        x0 = x0.detach() if x0.requires_grad else x0
        J = self.loss.forward(self._laid_out(x0) if self._is_mlp else self._layer_by_layer(x0), y)
        self._last = "forward"
        return J

    def _has_its_parameters(self) -> None:
        for parameters, name, p, where, asks in self._held:
            if parameters.get(name) is not p or p.data_ptr() != where or p.requires_grad is not asks:
                raise RuntimeError(f"Chain: the parameter {name} of a layer is another now; make the chain again.")

    def _layer_by_layer(self, x: Tensor) -> Tensor:
        self.x[0] = x
        try:
            for l, f in enumerate(self.layers, 1):  # 5
                self.x[l] = x = f.forward(x)  # 6
        except ShapeError as error:
            raise ShapeError(f"Chain, layer {l}: {error}") from error
        return x

    def _laid_out(self, x0: Tensor) -> Tensor:
        """The same, where all the layers' memory is laid out together."""
        if self._passes is None or self._passes.made_for != (x0.shape, x0.dtype, x0.device):
            self._passes = Passes(self.layers, x0)
        self.x = [x0, *self._passes.x]
        return self._passes.forward(x0)

    def backward(self, free: bool = False) -> list[tuple]:
        """dJ/dθ_l of the last forward pass: for each layer a tuple, empty where it has no θ.

        With `free`, x_l and g_l are let go as soon as g_{l-1} is there: of the two passes x_0 and g_0 are left.

        Raises:
            RuntimeError: there has been no forward pass, or θ has moved since.
        """
        self._must_follow("backward", "forward", "backward")
        if self._passes is not None:
            self._back_as_laid_out(self._passes, free)
        else:
            self._back_layer_by_layer(free)
        self._last = "free" if free else "backward"
        return self.gradients

    def _back_as_laid_out(self, passes: Passes, free: bool) -> None:
        """The same, where all the layers' memory is laid out together."""
        self.gradients, self.g = passes.backward(self.loss.backward()), list(passes.g)
        if free:
            self.x[1:] = self.g[1:] = [None] * len(self.layers)
            self._passes = None
            _free(self.loss)

    def _back_layer_by_layer(self, free: bool) -> None:
        self.g[-1] = g = self.loss.backward()  # 9
        self.gradients = [()] * len(self.layers)
        if free:
            _free(self.loss)
        for l in range(len(self.layers), 0, -1):  # 10
            f = self.layers[l - 1]
            g, *dJdtheta = f.backward(g)  # 11, 12, 13: L_l is in the layer, as a product and not as a matrix
            self.g[l - 1], self.gradients[l - 1] = g, tuple(dJdtheta)
            if free:
                self.x[l] = self.g[l] = None
                _free(f)

    def update(self, lr: float | Rule) -> None:
        """θ_l ← θ_l - η dJ/dθ_l for each layer (14.9), or as a rule out of `graph.rule` says: `Adam`, or `SGD` with
        momentum. A θ that layers share gets the sum of its gradients (14.47).

        Raises:
            RuntimeError: there has been no backward pass since the last forward or update.
        """
        self._must_follow("update", "backward", "free")
        self._last = "an update that failed"
        if isinstance(lr, Rule):
            self._move(lr, self.layers, self.gradients)
            lr.end()
        else:
            for f, dJdtheta in zip(self.layers, self.gradients, strict=True):
                f.update(*dJdtheta, lr=lr)
        self._last = "update"

    def descend(self, lr: float | Rule) -> None:
        """`backward` and `update` in one, and faster: dJ/dθ is a product that goes straight into θ.

        What no update waits for is left out: g_0 and `gradients` are None and [] then.

        Raises:
            RuntimeError: there has been no forward pass, or θ has moved since.
        """
        self._must_follow("descend", "forward", "backward")
        if self._shares:  # a θ that is still to be gone back through cannot move yet
            self.backward()
            return self.update(lr)
        if isinstance(lr, Rule):
            rule = lr
        else:
            rule, self._plain.lr = self._plain, lr
        self._last = "a descend that failed"
        g = self.loss.backward()
        if self._passes is not None:
            self._passes.descend(g, rule)
            self.g = [None, *self._passes.g[1:]]
        else:
            self.g[-1] = g
            for l in range(len(self.layers), 0, -1):
                wanted, descend = l >= self._first, self._descends[l - 1]
                self.g[l - 1] = g = descend(g, rule, l > self._first) if wanted else None
        rule.end()
        self.gradients, self._last = [], "update"

    def jacobian(self, x0: Tensor) -> tuple[Tensor]:
        """dx_L/dx_0 at x_0 [N] → [|x_L| x N], the product of the layers' L: what `chapter14.jacobian` of a chain is.

        It multiplies in the cheapest order, and only what no relu shuts off. The passes are left as they are.

        Raises:
            TypeError: the chain has other layers than linear and pointwise ones.
            ShapeError: x_0 is not one datapoint, or a layer does not fit what comes to it.
        """
        self._has_its_parameters()
        if self._factors is None:
            self._factors = Factors(self.layers)
        return (self._factors.product(x0.detach()),)

    def _descend(self, f: Any, g: Tensor, rule: Rule, wants_g_in: bool) -> Tensor | None:
        """Of a layer that has no such method itself."""
        g_in, *dJdtheta = f.backward(g)
        if rule is self._plain:
            f.update(*dJdtheta, lr=rule.lr)
        else:
            self._move(rule, [f], [dJdtheta])
        return g_in if wants_g_in else None

    @torch.no_grad()
    def _move(self, rule: Rule, layers: Sequence[Any], gradients: Sequence[Sequence[Tensor | None]]) -> None:
        moves: dict[tuple, tuple[Tensor, Tensor]] = {}
        for f, dJdtheta in zip(layers, gradients, strict=True):
            for theta, gradient in zip(f.theta, dJdtheta, strict=True):
                if gradient is not None:
                    where = theta.data_ptr(), theta.shape, theta.stride()
                    shared = moves.get(where) if theta.numel() else None
                    moves[where] = (shared[0], shared[1] + gradient) if shared else (theta, gradient)
        for theta, gradient in moves.values():
            rule.move(theta, Whole(gradient))

    def _must_follow(self, this: str, *those: str) -> None:
        if self._last not in those:
            last = f"the last was {self._last}" if self._last else "there has been none"
            raise RuntimeError(f"Chain: {this} comes after {those[0]}; {last}.")


def _free(f: Any) -> None:
    if hasattr(f, "free"):
        f.free()
