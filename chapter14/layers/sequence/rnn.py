"""Elman's recurrent network, which torch calls RNN.

    h' = φ(a + W h + b)                     φ is tanh or relu

    da = du = g φ'                        tanh' = 1 - h'²,  relu' = 1 where h' > 0
    dJ/dh = du W,  dJ/dW = du^T h,  dJ/db = du

φ' is a function of h': x_out is remembered, which autograd returns with its derivative, and not a.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as native

from ..core.bitmask import packed, unpacked
from ..core.product import repeated
from ..pointwise.elementwise import slope_times
from .cell import Cell, CellChain, sum_tangent, tanh_prime


class RNNCell(Cell):
    """a [B, H], h [B, H], W [H, H], b [H] → h' [B, H]. A subclass has φ, φ in place, and φ' of h'."""

    letters = {"a": "B H", "h": "B H", "W": "H H", "b": "H"}
    integers = True

    φ: ClassVar[Any]
    φ_: ClassVar[Any]

    @classmethod
    def forward(cls, a, h, W, b):
        return cls.φ(a + native.linear(h, W, b))

    @staticmethod
    def compact(needs_W: bool, x_out: Tensor) -> Tensor:
        """What is remembered for φ'."""
        return x_out

    @classmethod
    def remember(cls, needs, inputs, x_out):
        _, h, W, _ = inputs
        return cls.compact(needs[2], x_out), h if needs[2] else None, W, None

    @staticmethod
    def back(dh, by_u):
        du = slope_times(by_u, dh)
        return du, du, (None,)

    @classmethod
    def jvp(cls, tangents, a, h, W, b):
        da, dh, dW, db = tangents
        (by_u,) = cls.slopes(cls.restored(cls.of(a, h, W, b), a.shape), h, W, b)
        return slope_times(by_u, sum_tangent(a, (da, db), h, dh, W, dW))

    @classmethod
    def stepper(cls, a, T, W, b):
        B = len(a) // T
        steps, by_W = a.split([B] * T), repeated(W, b, B, T)

        def step(k, h, h_out):
            cls.φ_(torch.add(by_W(h), steps[k], out=h_out))

        return step


class RNNTanhCell(RNNCell):
    title = "rnn_tanh_cell"
    φ = staticmethod(torch.tanh)
    φ_ = staticmethod(torch.tanh_)

    @staticmethod
    def slopes(x_out, h, W, b):
        return (tanh_prime(x_out),)

    @staticmethod
    def slopes_once(x_out, h, W, b):
        return (torch.mul(x_out, x_out).neg_().add_(1),)

    @staticmethod
    def back_once(by_u, dh, dh_before):
        by_u.mul_(dh)


class RNNReluCell(RNNCell):
    """With PyTorch's relu'(0), which is 0."""

    title = "rnn_relu_cell"
    φ = staticmethod(torch.relu)
    φ_ = staticmethod(torch.relu_)

    @staticmethod
    def compact(needs_W, x_out):
        return x_out if needs_W else packed(x_out.detach() != 0)

    @staticmethod
    def restored(saved, shape):
        return saved.detach() != 0 if saved.is_floating_point() else unpacked(saved, shape)

    @staticmethod
    def slopes(mask, h, W, b):
        return (mask,)

    @staticmethod
    def slopes_once(mask, h, W, b):
        return W.new_empty(mask.shape), mask

    @staticmethod
    def back_once(by_u, mask, dh, dh_before):
        torch.where(mask, dh, dh.new_zeros(()), out=by_u)  # and not a product, which is NaN where dh is infinite


class RNNChain(CellChain):
    letters = {"a": "TB H", "h": "B H", "W": "H H", "b": "H"}
    cell: ClassVar[type[RNNCell]]

    @classmethod
    def remember(cls, needs, inputs, x_out):
        _, h, W, _, *constants = inputs
        learns = needs[2]
        return cls.cell.compact(learns, x_out), h if learns else None, W, None, *constants, x_out if learns else None


class RNNTanhChain(RNNChain):
    title = "rnn_tanh"
    cell = RNNTanhCell


class RNNReluChain(RNNChain):
    title = "rnn_relu"
    cell = RNNReluCell
