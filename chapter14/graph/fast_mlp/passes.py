"""Both passes of an MLP, laid out once: where every product finds its entries and puts its own (Algorithm 14.1).

    forward    x_l = W x_{l-1} + b, or max(x_{l-1}, 0)
    back       g_{l-1} = g_l W (14.36), or g_l h' (14.33)
    step       W <- W - η g_l^T x_{l-1}            one pass over W; dJ/dW is nowhere written out
               b <- b - η sum g_l

What is left of a pass is a list of calls, each of which has its operands already: in a small network, to find out what
to call takes as long as the call. Where a product is tiny it is numpy's, which takes half as long to call; x_ is x as
numpy sees it, in the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...layer.shape import ShapeError
from ..rule import Product, Rule

#: As many products of numbers are tiny: neither numpy nor PyTorch would take a second thread.
TINY = 9216

Calls = Sequence[Callable[[], Any]]


class Way(NamedTuple):
    """One layer's calls, and of each of its θ the gradient, a product that is nowhere written out.

    `both` are back and step in one, where that is faster than one after the other.
    """

    forward: Calls
    back: Calls
    step: Calls = ()
    moves: Sequence[tuple[Tensor, Product]] = ()
    both: Calls = ()


class Rate:
    """-η, which every step of a layout looks up: a number, and one as numpy likes it."""

    def __init__(self, x: Tensor):
        self.minus = 0.0
        self.minus_ = np.zeros((), x.numpy().dtype) if seen_by_numpy(x) else np.zeros(())

    def set(self, lr: float) -> None:
        self.minus = -lr
        self.minus_[()] = -lr


class Passes:
    """The passes of layers that lay themselves out, for x_0 of one shape, dtype and device.

    Attributes:
        x: x_1, ..., x_L. g: g_0, ..., g_L.  Their memory is used again by the next pass.

    Raises:
        ShapeError: a layer does not fit what comes to it.
    """

    x: list[Tensor]
    _ways: list[Way]

    def __init__(self, layers: Sequence[Any], x0: Tensor):
        self.made_for = x0.shape, x0.dtype, x0.device
        self._x0 = x = x0.new_empty(x0.shape)
        self.x, self.g = [], [torch.empty_like(x)]
        self._rate, self._ways = Rate(x), []
        for n, f in enumerate(layers, 1):
            try:
                x_out = x.new_empty(f.shape_out(x))
            except ShapeError as error:
                raise ShapeError(f"Chain, layer {n}: {error}") from error
            self.g.append(torch.empty_like(x_out))
            self._ways.append(f.lay_out(*map(_rows, (x, x_out, *self.g[-2:])), self._rate))
            self.x.append(x_out)
            x = x_out
        self._forward = [call for way in self._ways for call in way.forward]
        self._moving = next((i for i, way in enumerate(self._ways) if way.moves), len(self._ways))
        self._descend = {wants: self._all_steps(wants) for wants in (False, True)}

    def forward(self, x0: Tensor) -> Tensor:
        """x_0 → x_L."""
        self._x0.copy_(x0)
        for call in self._forward:
            call()
        return self.x[-1]

    def backward(self, g_L: Tensor) -> list[tuple[Tensor, ...]]:
        """g_L → dJ/dθ of each layer, in memory of its own. It leaves g_0, ..., g_L in `g`."""
        self.g[-1].copy_(g_L)
        for way in reversed(self._ways):
            for call in way.back:
                call()
        return [tuple(product.written_out() for _, product in way.moves) for way in self._ways]

    def descend(self, g_L: Tensor, rule: Rule, wants_g_0: bool = False) -> None:
        """g_L → θ, moved. It leaves in `g` what came by; g_0 where it is wanted."""
        self.g[-1].copy_(g_L)
        if rule.is_plain:
            self._rate.set(rule.lr)
            for call in self._descend[wants_g_0]:
                call()
            return
        for l in range(len(self._ways) - 1, -1 if wants_g_0 else self._moving - 1, -1):
            if wants_g_0 or l > self._moving:
                for call in self._ways[l].back:
                    call()
            for theta, product in self._ways[l].moves:
                rule.move(theta, product)

    def _all_steps(self, wants_g_0: bool) -> list[Callable[[], Any]]:
        """Last to first, g_in of each layer by its W before the step; what no step waits for is left out."""
        calls: list[Callable[[], Any]] = []
        for l in range(len(self._ways) - 1, -1 if wants_g_0 else self._moving - 1, -1):
            way = self._ways[l]
            if wants_g_0 or l > self._moving:
                calls += way.both or (*way.back, *way.step)
            else:
                calls += way.step
        return calls


class LaidOut:
    """A layer that lays itself out, and by itself is a stage of a chain: `Passes` of one layer."""

    theta: Sequence[Tensor] = ()
    _passes: Passes | None = None

    def shape_out(self, x_in: Tensor) -> Sequence[int]:
        """The shape of x_out."""
        raise NotImplementedError

    def lay_out(self, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor, rate: Rate) -> Way:
        """The calls between these: x and g_in [B, N], x_out and g_out [B, M]."""
        raise NotImplementedError

    def forward(self, x_in: Tensor) -> Tensor:
        """x_in [..., N] → x_out [..., M]."""
        if self._passes is None or self._passes.made_for != (x_in.shape, x_in.dtype, x_in.device):
            self.shape_out(x_in)  # says what does not fit
            self._passes = Passes([self], x_in)
        return self._passes.forward(x_in)

    def backward(self, g_out: Tensor) -> tuple[Tensor | None, ...]:
        """g_out [..., M] → g_in, then dJ/dθ for each θ."""
        assert self._passes is not None
        (gradients,) = self._passes.backward(g_out)
        return self._passes.g[0], *gradients

    def update(self, *dJdtheta: Tensor, lr: float) -> None:
        """θ ← θ - η dJ/dθ, (14.9)."""
        for theta, gradient in zip(self.theta, dJdtheta, strict=True):
            theta.sub_(gradient, alpha=lr)

    def descend(self, g_out: Tensor, rule: Rule, wants_g_in: bool = True) -> Tensor | None:
        """`backward` and `update` in one: g_in, by the θ before the update, or None where nobody wants it."""
        assert self._passes is not None
        self._passes.descend(g_out, rule, wants_g_in)
        return self._passes.g[0] if wants_g_in else None

    def free(self) -> None:
        """Drop what is kept for the way back, and the buffers."""
        self._passes = None


def seen_by_numpy(*tensors: Tensor) -> bool:
    seen = (torch.float32, torch.float64)
    return all(type(t) is Tensor and t.device.type == "cpu" and t.dtype in seen for t in tensors)


def _rows(x: Tensor) -> Tensor:
    """x [..., N] → [B, N], the same memory."""
    return x.view(x.shape[:-1].numel(), x.shape[-1] if x.ndim else 1)
