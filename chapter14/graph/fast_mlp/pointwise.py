"""Pointwise layers of a chain, called directly: without autograd's graph.

g_in = g_out h'     (14.33)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layer.base import Layer
from ...layer.precision import in_dtype_of


class PointwiseStage:
    """x_out = h(x_in), h a `Layer` with its constants."""

    theta: tuple = ()

    def __init__(self, layer: type[Layer], *constants: Any):
        self.layer, self.constants, self.name = layer, constants, layer.__name__
        self._form: Any = layer
        self._dtype: Any = None
        self._remembered: tuple = ()

    def __repr__(self) -> str:
        return f"{self.name}()"

    def free(self) -> None:
        """Drops what the backward pass needs."""
        self._remembered = ()

    def forward(self, x_in: Tensor) -> Tensor:
        inputs = x_in, *self.constants
        if x_in.dtype is not self._dtype:
            self._form, self._dtype = in_dtype_of(self.layer, inputs), x_in.dtype
        x_out = self._form.forward(*inputs)
        self._remembered = self._form.remember((True,), inputs, x_out)
        return x_out

    def backward(self, g_out: Tensor) -> tuple[Tensor]:
        """g_out → g_in, as the only entry."""
        return (self._form.backward_once((True,), g_out, *self._remembered)[0],)

    def update(self, lr: float) -> None:
        """There is no θ."""

    def slope(self, x_in: Any) -> tuple[Any, Any]:
        """x_out and h', each [*x_in]; numpy arrays for an array. The passes keep what they have."""
        if not isinstance(x_in, Tensor):
            x_out, h_prime = self.slope(torch.from_numpy(x_in))
            return x_out.numpy(), h_prime.numpy()
        alone = PointwiseStage(self.layer, *self.constants)
        return alone.forward(x_in), alone.backward(torch.ones_like(x_in))[0]
