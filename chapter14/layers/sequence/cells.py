"""Recurrent cells: layers whose x_out is an input again at the next step.

    a = W_x x + b_x         from the token, for all tokens at once
    u = W h + b             from the state

    RNN     h' = tanh(a + u)
    LSTM    i, f, n, o = σ, σ, tanh, σ of a + u             c' = f c + i n,  h' = o tanh(c')
    GRU     r, z = σ of a + u,  n = tanh(a + r u)           h' = n + z (h - n)

                dc = g_c + g_h o (1 - tanh(c')²)
    LSTM        di, df, dn, do = dc n i', dc c f', dc i n', g_h tanh(c') o'      with σ' = σ (1 - σ), tanh' = 1 - tanh²
                da = du = [di df dn do],  dJ/dh = du W,  dJ/dc = f dc,  dJ/dW = du^T h

A cell remembers its inputs. The gates are computed again from them in the backward pass.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ..core.arithmetic import added, minus, plus, scale, shift, times
from ..core.branch import broadcast_to
from ..core.complex import conjugates
from ..core.merge import merge, split
from ..linear.linear import Linear, linear
from ..pointwise.pointwise import sigmoid, tanh


def _one_minus(x: Tensor) -> Tensor:
    return shift(scale(x, -1), 1)


def _sigmoid_prime(s: Tensor) -> Tensor:
    return times(s, _one_minus(s))  # and not s - s²: near 1, all its digits cancel


def _tanh_prime(t: Tensor) -> Tensor:
    return _one_minus(times(t, t))


class LSTMSlopes(NamedTuple):
    """The partial derivatives of c' with respect to the sums of i, f and n, and to c; of h' to that of o, and to c'."""

    c_i: Tensor
    c_f: Tensor
    c_n: Tensor
    c_c: Tensor
    h_o: Tensor
    h_c: Tensor


def lstm_slopes(a: Tensor, h: Tensor, c: Tensor, W: Tensor, b: Tensor | None) -> LSTMSlopes:
    """These of one step, or of several, one below another."""
    i, f, n, o = split(plus(a, linear(h, W, b)), a.shape[-1] // 4, -1)
    i, f, n, o = sigmoid(i), sigmoid(f), tanh(n), sigmoid(o)
    t = tanh(plus(times(f, c), times(i, n)))
    return LSTMSlopes(
        times(n, _sigmoid_prime(i)),
        times(c, _sigmoid_prime(f)),
        times(i, _tanh_prime(n)),
        f,
        times(t, _sigmoid_prime(o)),
        times(o, _tanh_prime(t)),
    )


def lstm_back(g_h: Tensor, g_c: Tensor, by: LSTMSlopes) -> tuple[Tensor, Tensor]:
    """dJ/da and dJ/dc of one step."""
    dc = plus(g_c, times(g_h, by.h_c))
    return merge(times(dc, by.c_i), times(dc, by.c_f), times(dc, by.c_n), times(g_h, by.h_o)), times(dc, by.c_c)


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
        da, dc = lstm_back(g[0], g[1], lstm_slopes(*conjugates(a, h, c, W, b)))
        dh, dW, db = Linear.backward((needs[1], *needs[3:]), da, h, W)
        return da if needs[0] else None, dh, dc if needs[2] else None, dW, db

    @staticmethod
    def jvp(tangents, a, h, c, W, b):
        da, dh, dc, dW, db = tangents
        by = lstm_slopes(a, h, c, W, b)
        di, df, dn, do = split(_sum_tangent(a, (da, db), h, dh, W, dW), c.shape[-1], -1)
        dc = added(times(by.c_i, di), times(by.c_f, df), times(by.c_n, dn), None if dc is None else times(by.c_c, dc))
        return plus(times(by.h_o, do), times(by.h_c, dc)), dc


def _sum_tangent(a, also, h, dh, W, dW) -> Tensor:
    """The tangent of a + W h, and of terms that broadcast to it."""
    terms = [None if t is None else broadcast_to(t, a.shape) for t in also]
    terms += [None if dh is None else linear(dh, W), None if dW is None else linear(h, dW)]
    return added(*terms) if any(t is not None for t in terms) else torch.zeros_like(a)


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
        by = gru_slopes(*conjugates(a, h, W, b))
        dn, dz = times(g, by.h_n), times(g, by.h_z)
        dr = times(dn, by.n_r)
        du = merge(dr, dz, times(dn, by.r))
        dh, dW, db = Linear.backward(needs[1:], du, h, W)
        da = merge(dr, dz, dn) if needs[0] else None
        return da, plus(times(g, by.z), dh) if needs[1] else None, dW, db

    @staticmethod
    def jvp(tangents, a, h, W, b):
        da, dh, dW, db = tangents
        by = gru_slopes(a, h, W, b)
        da_r, da_z, da_n = split(torch.zeros_like(a) if da is None else da, h.shape[-1], -1)
        du_r, du_z, du_n = split(_sum_tangent(a, (db,), h, dh, W, dW), h.shape[-1], -1)
        dn = added(da_n, times(by.r, du_n), times(by.n_r, plus(da_r, du_r)))
        dz = plus(da_z, du_z)
        return added(times(by.h_n, dn), times(by.h_z, dz), None if dh is None else times(by.z, dh))


class GRUSlopes(NamedTuple):
    """The partial derivatives of h' with respect to the sums of n and z, and of n's sum to that of r; and r and z."""

    h_n: Tensor
    h_z: Tensor
    n_r: Tensor
    r: Tensor
    z: Tensor


def gru_slopes(a: Tensor, h: Tensor, W: Tensor, b: Tensor | None) -> GRUSlopes:
    H = h.shape[-1]
    (a_r, a_z, a_n), (u_r, u_z, u_n) = split(a, H, -1), split(linear(h, W, b), H, -1)
    r, z = sigmoid(plus(a_r, u_r)), sigmoid(plus(a_z, u_z))
    n = tanh(plus(a_n, times(r, u_n)))
    return GRUSlopes(
        times(_one_minus(z), _tanh_prime(n)),
        times(minus(h, n), _sigmoid_prime(z)),
        times(u_n, _sigmoid_prime(r)),
        r,
        z,
    )
