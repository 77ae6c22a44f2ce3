"""All of a `Chain` but its three passes: what they check, `from_module`, `descend` and `jacobian`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..layer.shape import check_real
from .block import ComputationGraph
from .fast_mlp.jacobian_product import JacobianProduct
from .fast_mlp.losses import PreallocatedLoss
from .fast_mlp.preallocated import PreallocatedLayer
from .fast_mlp.stages import counterpart_of, leaves, loss_stage, stage
from .rule import Rule


class ChainBase(ComputationGraph):
    """The base of `Chain`.

    Attributes:
        layers: f_1, ..., f_L, as objects with the methods forward, backward and update.
        x: x_0, ..., x_L of the last forward pass.
        g: g_0, ..., g_L of the last backward pass, g_l in the shape of x_l.
        gradients: dJ/dθ of the last backward pass: for each layer, a tuple in the order of its θ.

    Raises:
        ValueError: the same `Block` is at two places.
    """

    def __init__(self, layers: Sequence[Any], loss: Callable[[Tensor, Any], Tensor]):
        self.layers = [stage(f) for f in layers]
        self._must_differ(self.layers)
        self.loss = loss_stage(loss)
        for before, f in pairwise([*self.layers, self.loss]):
            if isinstance(before, PreallocatedLayer) and isinstance(f, (PreallocatedLayer, PreallocatedLoss)):
                f.before = before
        self.x: list[Any] = [None] * (len(self.layers) + 1)
        self.g: list[Any] = [None] * (len(self.layers) + 1)
        self.gradients: list[tuple] = []
        memory = [t.untyped_storage().data_ptr() for f in self.layers for t in f.theta if t.numel()]
        self._shares = len(set(memory)) < len(memory)
        self._first = next((l for l, f in enumerate(self.layers, 1) if f.theta), len(self.layers) + 1)  # with a θ
        self._jacobian: JacobianProduct | None = None
        self._held = [
            (m._parameters, name, p, p.data_ptr(), p.requires_grad)
            for f in layers if isinstance(f, torch.nn.Module)
            for m in f.modules()
            for name, p in m._parameters.items() if p is not None
        ]  # fmt: skip

    @classmethod
    def from_module(cls, model: torch.nn.Module, loss: Callable[[Tensor, Any], Tensor]) -> Any:
        """The chain of a `Sequential` or of a single layer, of `torch.nn` or `chapter14.nn`.

        It updates the model's own parameters: they share memory, so there is nothing to copy back. The loss may be
        PyTorch's or ours. relu'(0) is PyTorch's 0 where the relu is PyTorch's.

        Raises:
            TypeError: a layer, or the loss, has no counterpart in chapter14.
        """
        return cls([counterpart_of(f, name) for name, f in leaves(model)], counterpart_of(loss, "the loss"))

    def backward(self, free: bool = False) -> list[tuple]:
        raise NotImplementedError

    def update(self, lr: float | Rule) -> None:
        raise NotImplementedError

    def descend(self, lr: float | Rule) -> None:
        """`backward` and `update` in one, and faster: dJ/dθ is a product that is accumulated directly into θ.

        What no update needs is left out: g_0 is None and `gradients` is [].

        Raises:
            RuntimeError: there has been no forward pass, or θ has changed since.
        """
        self._must_follow("descend", "forward", "backward")
        if self._shares:  # a θ that an earlier layer still needs for its backward cannot change yet
            self.backward()
            return self.update(lr)
        self._last = "a descend that failed"
        g, first = self.g, self._first
        g[:-1] = [None] * len(self.layers)
        g[-1] = self.loss.backward()
        preallocated_lr = lr.lr if isinstance(lr, Rule) and lr.is_plain else lr
        for l in range(len(self.layers), first - 1, -1):
            f = self.layers[l - 1]
            if isinstance(f, PreallocatedLayer):
                g[l - 1] = f.descend(g[l], preallocated_lr, l > first)
                continue
            g_in, *dJdtheta = f.backward(g[l])
            g[l - 1] = g_in if l > first else None
            if isinstance(lr, Rule):
                lr.move_all([f], [dJdtheta])
            else:
                f.update(*dJdtheta, lr=lr)
        if isinstance(lr, Rule):
            lr.end()
        self.gradients, self._last = [], "update"

    def jacobian(self, x0: Tensor) -> tuple[Tensor]:
        """dx_L/dx_0 at x_0 [N] → [|x_L| x N], the product of the layers' L: what `chapter14.jacobian(chain, x0)` is.

        It multiplies in the cheapest order, and skips what a relu sets to 0. `x` and `g` stay as they are.

        Raises:
            TypeError: the chain has layers that are neither linear nor pointwise.
            ShapeError: x_0 is not one datapoint, or a layer does not fit its input.
        """
        self._must_have_its_parameters()
        if self._jacobian is None:
            self._jacobian = JacobianProduct(self.layers)
        return (self._jacobian.at(x0.detach()),)

    def _start(self, x0: Tensor) -> Tensor:
        """x_0 of a forward pass.

        Raises:
            NotImplementedError: it is complex.
            RuntimeError: a module has other parameters than when the chain was made.
        """
        if x0.is_complex():
            check_real("Chain", x0=x0)
        self._last = ""
        self._must_have_its_parameters()
        return x0.detach() if x0.requires_grad else x0

    def _must_have_its_parameters(self) -> None:
        for parameters, name, p, address, requires_grad in self._held:
            if parameters.get(name) is not p or p.data_ptr() != address or p.requires_grad is not requires_grad:
                raise RuntimeError(f"Chain: {name} of a layer was replaced, moved or frozen; make the chain again.")

    def _free(self, l: int) -> None:
        """Drops x_l, g_l, and the memory of layer l and of the loss."""
        self.x[l] = self.g[l] = None
        for f in (self.layers[l - 1], self.loss):
            if hasattr(f, "free"):
                f.free()
