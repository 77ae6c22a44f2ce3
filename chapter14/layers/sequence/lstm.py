"""A whole chain of LSTM cells as one layer: the same as cell after cell (section 14.8), but faster.

    h_t, c_t = cell(a_t, h_(t-1), c_(t-1))                 the backward pass computes the states again, cell by cell
    dh_t  = g_t + du_(t+1) W                               from outside, and from the next step
    dc_t  = f_(t+1) dc_(t+1) + dh_t o (1 - tanh(c_t)²)
    du_t  = [dc n i', dc c_(t-1) f', dc i n', dh tanh(c) o']
    dJ/dW = sum over t of du_t^T h_(t-1),  dJ/db = sum over t of du_t                   (14.47)

What does not depend on dh, the gates and their derivatives, is computed for all steps at once; so is the sum (14.47).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import plus
from ..core.arrange import transpose
from ..core.complex import conj, conjugates
from ..core.merge import merge, split
from ..linear.linear import Linear, linear
from .cells import LSTMCell, LSTMSlopes, lstm_back, lstm_slopes


class LSTMChain(Layer):
    """a [T B, 4 H], one step below another, h and c [B, H] → h of all steps [T B, H], c after the last."""

    autocast = "lower"
    letters = {"a": "TB 4H", "h": "B H", "c": "B H", "W": "4H H", "b": "4H"}
    title = "lstm"
    opmath = "derivatives"
    many = True

    @staticmethod
    def forward(a, h, c, W, b, T, backwards):
        x_out = list(a.split([h.shape[0]] * T))
        for t in _order(T, backwards):
            h, c = LSTMCell.forward(x_out[t], h, c, W, b)
            x_out[t] = h
        return torch.cat(x_out), c

    @staticmethod
    def backward(needs, g, a, h, c, W, b, T, backwards):
        a, h, c, W, b = conjugates(a, h, c, W, b)
        sizes = [h.shape[0]] * T
        h_before, c_before = (merge(*s, dim=0) for s in _states(a, h, c, W, b, T, backwards))
        slopes = lstm_slopes(a, h_before, c_before, W, b)
        steps = list(zip(*[split(x, sizes, dim=0) for x in (g[0], *slopes)], strict=True))
        dh, dc, W_back = None, g[1], transpose(W)
        du = [a] * T
        for k in reversed(_order(T, backwards)):
            g_k, *by = steps[k]
            dh = g_k if dh is None else plus(g_k, dh)
            du[k], dc = lstm_back(dh, dc, LSTMSlopes(*by))
            dh = linear(du[k], W_back)
        da = merge(*du, dim=0)
        _, dW, db = Linear.backward((False, *needs[3:5]), da, conj(h_before), None)
        wanted = (x if need else None for x, need in zip((da, dh, dc), needs, strict=False))
        return *wanted, dW, db, None, None

    @staticmethod
    def jvp(tangents, a, h, c, W, b, T, backwards):
        da, dh, dc, dW, db, *_ = tangents
        sizes = [h.shape[0]] * T
        moves = [None] * T if da is None else split(da, sizes, dim=0)
        before = list(zip(*_states(a, h, c, W, b, T, backwards), split(a, sizes, dim=0), strict=True))
        x_out = [h] * T
        for k in _order(T, backwards):
            h_k, c_k, a_k = before[k]
            dh, dc = LSTMCell.jvp((moves[k], dh, dc, dW, db), a_k, h_k, c_k, W, b)
            x_out[k] = dh
        return merge(*x_out, dim=0), dc


def _order(T: int, backwards: bool) -> list[int]:
    return list(reversed(range(T))) if backwards else list(range(T))


def _states(a, h, c, W, b, T, backwards) -> tuple[list[Tensor], list[Tensor]]:
    """h and c before each step."""
    hs, cs, steps = [h] * T, [c] * T, split(a, [h.shape[0]] * T, dim=0)
    for t in _order(T, backwards):
        hs[t], cs[t] = h, c
        h, c = LSTMCell.of(steps[t], h, c, W, b)
    return hs, cs
