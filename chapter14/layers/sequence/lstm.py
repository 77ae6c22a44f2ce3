"""LSTM: a state h that is given out, and a state c that is kept.

    i, f, n, o = σ, σ, tanh, σ of a + W h + b
    c' = f c + i n,  h' = o tanh(c')

    dc = g_c + g_h o (1 - tanh(c')²)
    da = du = [dc n i', dc c f', dc i n', g_h tanh(c') o']      with σ' = σ (1 - σ), tanh' = 1 - tanh²
    dJ/dh = du W,  dJ/dc = f dc,  dJ/dW = du^T h,  dJ/db = du

A cell remembers its inputs. The gates are computed again from them in the backward pass.
"""

from __future__ import annotations

import torch
from torch.nn import functional as native

from ..core.arithmetic import added, plus, times
from ..core.merge import merge, split
from ..linear.linear import linear
from ..pointwise.pointwise import sigmoid, tanh
from .cell import Cell, CellChain, sigmoid_prime, sum_tangent, tanh_prime


class LSTMCell(Cell):
    """a [B, 4 H], h [B, P], c [B, H], W [4 H, P], b [4 H] → h' [B, H], c' [B, H]."""

    letters = {"a": "B 4H", "h": "B P", "c": "B H", "W": "4H P", "b": "4H"}
    title = "lstm_cell"
    many = True
    states = 2

    @staticmethod
    def forward(a, h, c, W, b):
        i, f, n, o = (a + native.linear(h, W, b)).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * n.tanh()
        return o.sigmoid() * c.tanh(), c

    @staticmethod
    def slopes(a, h, c, W, b):
        """Of c' and h': with respect to the sums of i, f and n, and to that of o; of c' to c; of h' to c'."""
        i, f, n, o = split(plus(a, linear(h, W, b)), a.shape[-1] // 4, -1)
        i, f, n, o = sigmoid(i), sigmoid(f), tanh(n), sigmoid(o)
        t = tanh(plus(times(f, c), times(i, n)))
        c_f = times(c, sigmoid_prime(f))
        by_u = merge(times(n, sigmoid_prime(i)), c_f, times(i, tanh_prime(n)), times(t, sigmoid_prime(o)))
        return by_u, f, times(o, tanh_prime(t))

    @staticmethod
    def back(dh, dc, by_u, f, h_c):
        dc = plus(dc, times(dh, h_c))
        du = times(merge(dc, dc, dc, dh), by_u)
        return du, du, (None, times(dc, f))

    @classmethod
    def jvp(cls, tangents, a, h, c, W, b):
        da, dh, dc, dW, db = tangents
        by_u, f, h_c = cls.slopes(a, h, c, W, b)
        di, df, dn, do = split(times(by_u, sum_tangent(a, (da, db), h, dh, W, dW)), c.shape[-1], -1)
        dc = added(di, df, dn, None if dc is None else times(f, dc))
        return plus(do, times(h_c, dc)), dc

    @staticmethod
    def stepper(a, T, W, b):
        steps, W_t = (a if b is None else a + b).split([len(a) // T] * T), W.t().contiguous()
        u = torch.empty_like(steps[0])
        i, f, u_n, o = u.chunk(4, -1)
        t = torch.empty_like(o)

        def step(k, h, c, h_out, c_out):
            torch.addmm(steps[k], h, W_t, out=u)
            n = torch.tanh(u_n, out=t)
            u.sigmoid_()
            torch.mul(f, c, out=c_out).addcmul_(i, n)
            torch.mul(o, torch.tanh(c_out, out=t), out=h_out)

        return step

    @staticmethod
    def slopes_once(a, h, c, W, b):
        u = native.linear(h, W, b).add_(a).view(len(a), 4, c.shape[-1])
        n, (i, f, _, o) = u[:, 2].tanh(), u.sigmoid_().unbind(1)
        by_u = (1 - u).mul_(u)
        by_u[:, 0].mul_(n), by_u[:, 1].mul_(c)
        t = torch.addcmul(i * n, f, c).tanh_()  # not of c', which half precision rounds
        torch.mul(n, n, out=n).neg_().add_(1)
        torch.mul(i, n, out=by_u[:, 2])
        by_u[:, 3].mul_(t)
        h_c = torch.mul(t, t, out=t).neg_().add_(1).mul_(o)
        return by_u.view(a.shape), by_u[:, :3], by_u[:, 3], f, h_c

    @staticmethod
    def back_once(by_u, by_ifn, by_o, f, h_c, dh, dc, dh_before, dc_before):
        dc.addcmul_(dh, h_c)
        by_ifn.mul_(dc.unsqueeze(1))
        by_o.mul_(dh)
        dc_before.addcmul_(dc, f)


class LSTMChain(CellChain):
    letters = {"a": "TB 4H", "h": "B H", "c": "B H", "W": "4H H", "b": "4H"}
    title = "lstm"
    many = True
    cell = LSTMCell
