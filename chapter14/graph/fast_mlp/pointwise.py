"""Pointwise layers in a chain, straight, without autograd's books.

g_in = g_out h'     (14.33)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layer.base import Layer
from ...layer.precision import in_dtype_of
from ..rule import Rule


class Pointwise:
    """x_out = h(x_in), h a `Layer` with its constants."""

    theta: tuple = ()

    def __init__(self, layer: type[Layer], *constants: Any):
        self.layer, self.constants = layer, constants
        self._form: Any = layer
        self._dtype: Any = None
        self._kept: tuple = ()

    def __repr__(self) -> str:
        return f"{self.layer.__name__}()"

    def free(self) -> None:
        """Drop what is kept for the way back."""
        self._kept = ()

    def forward(self, x_in: Tensor) -> Tensor:
        inputs = x_in, *self.constants
        if x_in.dtype is not self._dtype:
            self._form, self._dtype = in_dtype_of(self.layer, inputs), x_in.dtype
        x_out = self._form.forward(*inputs)
        self._kept = self._form.remember((True,), inputs, x_out)
        return x_out

    def slope(self, x_in: Any) -> tuple[Any, Any]:
        """x_out and h', each [*x_in]; of an array of numpy's, arrays."""
        if not isinstance(x_in, Tensor):
            x_out, h_prime = self.slope(torch.from_numpy(x_in))
            return x_out.numpy(), h_prime.numpy()
        inputs = x_in, *self.constants
        form: Any = in_dtype_of(self.layer, inputs)
        x_out = form.forward(*inputs)
        kept = form.remember((True,), inputs, x_out)
        return x_out, form.backward_once((True,), torch.ones_like(x_in), *kept)[0]

    def backward(self, g_out: Tensor) -> tuple[Tensor]:
        """g_out → g_in, as the only entry."""
        return (self._form.backward_once((True,), g_out, *self._kept)[0],)

    def update(self, lr: float) -> None:
        """There is no θ."""

    def descend(self, g_out: Tensor, rule: Rule, wants_g_in: bool = True) -> Tensor | None:
        return self.backward(g_out)[0] if wants_g_in else None
