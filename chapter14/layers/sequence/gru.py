"""GRU: a gate r that forgets within the new state, and a gate z between it and the old one.

    u = W h + b
    r, z = σ of a + u,  n = tanh(a + r u),  h' = n + z (h - n)

    da = g [s r', (h - n) z', n' (1 - z)]       with s = u_n n' (1 - z), σ' = σ (1 - σ), tanh' = 1 - tanh²
    du = the same, but the last times r
    dJ/dh = du W + g z,  dJ/dW = du^T h,  dJ/db = du

A cell remembers its inputs. The gates are computed again from them in the backward pass.
"""

from __future__ import annotations

import torch
from torch.nn import functional as native

from ..core.arithmetic import added, minus, plus, times
from ..core.merge import merge, split
from ..core.product import repeated
from ..linear.linear import linear
from ..pointwise.pointwise import sigmoid, tanh
from .cell import Cell, CellChain, one_minus, sigmoid_prime, sum_tangent, tanh_prime


class GRUCell(Cell):
    """a [B, 3 H], h [B, H], W [3 H, H], b [3 H] → h' [B, H]."""

    letters = {"a": "B 3H", "h": "B H", "W": "3H H", "b": "3H"}
    title = "gru_cell"
    adds = False

    @staticmethod
    def forward(a, h, W, b):
        (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, -1), native.linear(h, W, b).chunk(3, -1)
        n = (a_n + (a_r + u_r).sigmoid() * u_n).tanh()
        return n + (a_z + u_z).sigmoid() * (h - n)

    @staticmethod
    def slopes(a, h, W, b):
        """Of h': with respect to u, to a, and to h."""
        H = h.shape[-1]
        (a_r, a_z, a_n), (u_r, u_z, u_n) = split(a, H, -1), split(linear(h, W, b), H, -1)
        r, z = sigmoid(plus(a_r, u_r)), sigmoid(plus(a_z, u_z))
        n = tanh(plus(a_n, times(r, u_n)))
        by_n = times(one_minus(z), tanh_prime(n))
        by_r = times(by_n, times(u_n, sigmoid_prime(r)))
        by_z = times(minus(h, n), sigmoid_prime(z))
        return merge(by_r, by_z, times(by_n, r)), merge(by_r, by_z, by_n), z

    @staticmethod
    def back(dh, by_u, by_a, z):
        all_three = merge(dh, dh, dh)
        return times(all_three, by_a), times(all_three, by_u), (times(dh, z),)

    @classmethod
    def jvp(cls, tangents, a, h, W, b):
        da, dh, dW, db = tangents
        by_u, by_a, z = cls.slopes(a, h, W, b)
        du = sum_tangent(a, (db,), h, dh, W, dW)
        gates = added(times(by_u, du), None if da is None else times(by_a, da))
        return added(*split(gates, h.shape[-1], -1), None if dh is None else times(z, dh))

    @staticmethod
    def stepper(a, T, W, b):
        B, H = len(a) // T, W.shape[1]
        a_rz, a_n = (x.split([B] * T) for x in a.split((2 * H, H), -1))
        by_W, n = repeated(W, b, B, T), a.new_empty(B, H)

        def step(k, h, h_out):
            u_rz, u_n = by_W(h).split((2 * H, H), -1)
            r, z = u_rz.add_(a_rz[k]).sigmoid_().chunk(2, -1)
            torch.addcmul(a_n[k], r, u_n, out=n).tanh_()
            torch.sub(h, n, out=h_out).mul_(z).add_(n)

        return step

    @staticmethod
    def slopes_once(a, h, W, b):
        u = native.linear(h, W, b).view(len(a), 3, h.shape[-1])
        a = a.view(u.shape)
        r, z = (a[:, :2] + u[:, :2]).sigmoid_().unbind(1)
        n = torch.addcmul(a[:, 2], r, u[:, 2]).tanh_()
        by_a = torch.empty_like(u)
        torch.mul(1 - z, 1 - n * n, out=by_a[:, 2])
        torch.mul(h - n, z * (1 - z), out=by_a[:, 1])
        torch.mul(by_a[:, 2] * u[:, 2], r * (1 - r), out=by_a[:, 0])
        by_u = by_a.clone()
        by_u[:, 2].mul_(r)
        return by_u.flatten(1), by_a.flatten(1), z

    @staticmethod
    def back_once(by_u, by_a, z, dh, dh_before):
        dh_3 = dh.unsqueeze(1)
        for by in (by_u, by_a):
            by.view(len(dh), 3, dh.shape[-1]).mul_(dh_3)
        dh_before.addcmul_(dh, z)


class GRUChain(CellChain):
    letters = {"a": "TB 3H", "h": "B H", "W": "3H H", "b": "3H"}
    title = "gru"
    cell = GRUCell
