"""Recurrent cells: a layer that is handed its own x_out again, with the next token.

    a = W_x x + b_x         what the token says, for all tokens at once
    u = W h + b             what the state says

    RNN     h' = tanh(a + u)
    LSTM    i, f, n, o = σ, σ, tanh, σ of a + u             c' = f c + i n,  h' = o tanh(c')
    GRU     r, z = σ of a + u,  n = tanh(a + r u)           h' = n + z (h - n)

                dc = g_c + g_h o (1 - tanh(c')²)
    LSTM        di, df, dn, do = dc n i', dc c f', dc i n', g_h tanh(c') o'      with σ' = σ (1 - σ), tanh' = 1 - tanh²
                da = du = [di df dn do],  dJ/dh = du W,  dJ/dc = f dc,  dJ/dW = du^T h

A cell remembers its inputs. The gates are computed again from them on the way back.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer import Layer
from ..core.arithmetic import added, minus, plus, scale, shift, times
from ..core.arrange import transpose
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conjugates
from ..core.merge import merge, split
from ..linear.linear import linear, outer
from ..pointwise.pointwise import sigmoid, tanh


def sigmoid_prime(s: Tensor) -> Tensor:
    return times(s, shift(scale(s, -1), 1))  # and not s - s²: near 1, all its digits cancel


def tanh_prime(t: Tensor) -> Tensor:
    return shift(scale(times(t, t), -1), 1)


class LSTMCell(Layer):
    """a [B, 4 H], h [B, P], c [B, H], W [4 H, P], b [4 H] → h' [B, H], c' [B, H]."""

    autocast = "lower"
    letters = {"a": "B 4H", "h": "B P", "c": "B H", "W": "4H P", "b": "4H"}
    title = "lstm_cell"
    opmath = "derivatives"
    many = True

    @staticmethod
    def forward(a, h, c, W, b):
        i, f, n, o = (a + native.linear(h, W, b)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * n.tanh()
        return o.sigmoid() * c.tanh(), c

    @staticmethod
    def backward(needs, g, a, h, c, W, b):
        a, h, c, W, b = conjugates(a, h, c, W, b)
        i, f, n, o = lstm_gates(a, h, W, b)
        t = tanh(plus(times(f, c), times(i, n)))
        g_h, g_c = g
        dc = plus(g_c, times(times(g_h, o), tanh_prime(t)))
        da = merge(
            times(times(dc, n), sigmoid_prime(i)),
            times(times(dc, c), sigmoid_prime(f)),
            times(times(dc, i), tanh_prime(n)),
            times(times(g_h, t), sigmoid_prime(o)),
        )
        return (
            da if needs[0] else None,
            linear(da, transpose(W)) if needs[1] else None,
            times(dc, f) if needs[2] else None,
            outer(da, h) if needs[3] else None,
            sum_to_size(da, b.shape) if needs[4] else None,
        )

    @staticmethod
    def jvp(tangents, a, h, c, W, b):
        da, dh, dc, dW, db = tangents
        i, f, n, o = lstm_gates(a, h, W, b)
        t = tanh(plus(times(f, c), times(i, n)))
        di, df, dn, do = split(_moved(a, (da, db), h, dh, W, dW), c.shape[-1], -1)
        dc = added(
            None if dc is None else times(f, dc),
            times(times(c, sigmoid_prime(f)), df),
            times(times(n, sigmoid_prime(i)), di),
            times(times(i, tanh_prime(n)), dn),
        )
        return plus(times(times(t, sigmoid_prime(o)), do), times(times(o, tanh_prime(t)), dc)), dc


def lstm_gates(a: Tensor, h: Tensor, W: Tensor, b: Tensor | None) -> tuple[Tensor, ...]:
    i, f, n, o = split(plus(a, linear(h, W, b)), a.shape[-1] // 4, -1)
    return sigmoid(i), sigmoid(f), tanh(n), sigmoid(o)


def _moved(a, also, h, dh, W, dW) -> Tensor:
    """The tangent of a + W h, with others that add to it."""
    ways = [None if t is None else broadcast_to(t, a.shape) for t in also]
    ways += [None if dh is None else linear(dh, W), None if dW is None else linear(h, dW)]
    return added(*ways) if any(way is not None for way in ways) else torch.zeros_like(a)


class GRUCell(Layer):
    """a [B, 3 H], h [B, H], W [3 H, H], b [3 H] → h' [B, H]."""

    autocast = "lower"
    letters = {"a": "B 3H", "h": "B H", "W": "3H H", "b": "3H"}
    title = "gru_cell"
    opmath = "derivatives"

    @staticmethod
    def forward(a, h, W, b):
        (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, -1), native.linear(h, W, b).chunk(3, -1)
        n = (a_n + (a_r + u_r).sigmoid() * u_n).tanh()
        return n + (a_z + u_z).sigmoid() * (h - n)

    @staticmethod
    def backward(needs, g, a, h, W, b):
        a, h, W, b = conjugates(a, h, W, b)
        r, z, n, u_n = _gru_gates(a, h, W, b)
        dn = times(times(g, shift(scale(z, -1), 1)), tanh_prime(n))
        dz = times(times(g, minus(h, n)), sigmoid_prime(z))
        dr = times(times(dn, u_n), sigmoid_prime(r))
        du = merge(dr, dz, times(dn, r))
        return (
            merge(dr, dz, dn) if needs[0] else None,
            plus(times(g, z), linear(du, transpose(W))) if needs[1] else None,
            outer(du, h) if needs[2] else None,
            sum_to_size(du, b.shape) if needs[3] else None,
        )

    @staticmethod
    def jvp(tangents, a, h, W, b):
        da, dh, dW, db = tangents
        r, z, n, u_n = _gru_gates(a, h, W, b)
        da_r, da_z, da_n = split(torch.zeros_like(a) if da is None else da, h.shape[-1], -1)
        du_r, du_z, du_n = split(_moved(a, (db,), h, dh, W, dW), h.shape[-1], -1)
        dr, dz = times(sigmoid_prime(r), plus(da_r, du_r)), times(sigmoid_prime(z), plus(da_z, du_z))
        dn = times(tanh_prime(n), added(da_n, times(dr, u_n), times(r, du_n)))
        return added(times(shift(scale(z, -1), 1), dn), times(dz, minus(h, n)), None if dh is None else times(z, dh))


def _gru_gates(a: Tensor, h: Tensor, W: Tensor, b: Tensor | None) -> tuple[Tensor, ...]:
    """r, z, n, and what r lets through of h."""
    H = h.shape[-1]
    (a_r, a_z, a_n), (u_r, u_z, u_n) = split(a, H, -1), split(linear(h, W, b), H, -1)
    r, z = sigmoid(plus(a_r, u_r)), sigmoid(plus(a_z, u_z))
    return r, z, tanh(plus(a_n, times(r, u_n))), u_n
