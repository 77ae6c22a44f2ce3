"""LSTM: a state h that is given out, and a state c that is kept.

    i, f, n, o = σ, σ, tanh, σ of a + W h + b
    c' = f c + i n,  h' = o tanh(c')

    dc = g_c + g_h o (1 - tanh(c')²)
    da = du = [dc n i', dc c f', dc i n', g_h tanh(c') o']      with σ' = σ (1 - σ), tanh' = 1 - tanh²
    dJ/dh = du W,  dJ/dc = f dc,  dJ/dW = du^T h,  dJ/db = du

A cell remembers its inputs, and the chain of all steps the tokens and h. The gates are computed again from them in the
backward pass, those of all steps in one product, and then c, step after step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ...layer.modes import is_eager
from ..core.arithmetic import added, plus, times
from ..core.arrange import narrow
from ..core.merge import merge, split
from ..core.product import mm
from ..linear.linear import Linear, linear
from ..pointwise.pointwise import sigmoid, tanh
from .cell import Cell, CellChain, order, sigmoid_prime, states_before, sum_tangent, tanh_prime


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
    def back_once(by_u, by_ifn, by_o, f, h_c, dh, dc, dh_before, dc_before):
        dc.addcmul_(dh, h_c)
        by_ifn.mul_(dc.unsqueeze(1))
        by_o.mul_(dh)
        dc_before.addcmul_(dc, f)


class LSTMSteps(CellChain):
    title = "lstm"
    many = True
    cell = LSTMCell


class LSTMChain(Layer):
    """The tokens x [T B, N], h, c, W_x, b_x, W, b, T, backwards → h after each step [T B, H], and the last c [B, H]."""

    letters = {"x": "TB N", "h": "B H", "c": "B H", "W_x": "4H N", "b_x": "4H", "W": "4H H", "b": "4H"}
    autocast = "lower"
    opmath = "derivatives"
    title = "lstm"
    many = True
    cell = LSTMCell

    @classmethod
    def of_tokens(cls, x, state, *others):  # not from a, which PyTorch's kernel does not take
        return cls.of(x, *state, *others)

    @staticmethod
    def forward(x, h, c, W_x, b_x, W, b, T, backwards):
        if x.dtype in (torch.float32, torch.float64) and is_eager(x, h, c, W_x, b_x, W, b):
            tokens = x.reshape(T, -1, x.shape[-1])
            θ = [W_x, W] if b is None else [W_x, W, b_x, b]
            options = b is not None, 1, 0.0, False, False, False  # one layer in one direction, time first
            x_out, _, c_out = torch.lstm(tokens.flip(0) if backwards else tokens, (h[None], c[None]), θ, *options)
            return (x_out.flip(0) if backwards else x_out).flatten(0, 1), c_out[0]
        h_out, c_out = LSTMSteps.step_by_step(native.linear(x, W_x, b_x), h, c, W, b, T, backwards)
        return h_out, c_out[-len(c) :].clone() if not backwards else c_out[: len(c)].clone()

    @staticmethod
    def remember(needs, inputs, x_out):
        return *inputs, x_out[0]

    @staticmethod
    def backward(needs, g, x, h, c, W_x, b_x, W, b, T, backwards, h_out):
        a = linear(x, W_x, b_x)
        c_out = c_after(plus(a, linear(states_before(h, h_out, backwards), W, b)), c, T, backwards)
        needs_x = needs[0], *needs[3:5]
        da, dh, dc, dW, db, *_ = LSTMSteps.backward(
            (any(needs_x), *needs[1:3], *needs[5:]), (g[0], at_the_end(g[1], T, backwards)),
            a, h, c, W, b, T, backwards, h_out, c_out,
        )  # fmt: skip
        dx, dW_x, db_x = Linear.backward(needs_x, da, x, W_x) if any(needs_x) else (None, None, None)
        return dx, dh, dc, dW_x, db_x, dW, db, None, None

    @staticmethod
    def backward_once(needs, g, x, h, c, W_x, b_x, W, b, T, backwards, h_out):
        B, H = c.shape
        h_before = states_before(h, h_out, backwards)
        u = mm(x, W_x.t()).add_(mm(h_before, W.t()))
        u = (u if b is None else u.add_(b_x + b)).view(T * B, 4, H)
        n, (i, f, _, o) = u[:, 2].tanh(), u.sigmoid_().unbind(1)
        c_out, c_k = i * n, c
        for after, f_k in in_order(zip(c_out.split(B), f.split(B), strict=True), backwards):
            c_k = after.addcmul_(f_k, c_k)
        by_u = (1 - u).mul_(u)
        by_u[:, 0].mul_(n), by_u[:, 1].mul_(states_before(c, c_out, backwards))
        torch.mul(n, n, out=n).neg_().add_(1)
        torch.mul(i, n, out=by_u[:, 2])
        t = c_out.tanh_()
        by_u[:, 3].mul_(t)
        h_c = torch.mul(t, t, out=t).neg_().add_(1).mul_(o)
        slopes = by_u.flatten(1), by_u[:, :3], by_u[:, 3], f, h_c
        du, _, dstate = LSTMSteps.back_through(slopes, (g[0], at_the_end(g[1], T, backwards)), W, B, T, backwards)
        du_t, db = du.t().contiguous(), du.sum(0)
        return (
            mm(du, W_x) if needs[0] else None,
            *(d if need else None for d, need in zip(dstate, needs[1:3], strict=True)),
            mm(du_t, x) if needs[3] else None,
            db if needs[4] else None,
            mm(du_t, h_before) if needs[5] else None,
            db.clone() if needs[6] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, h, c, W_x, b_x, W, b, T, backwards):
        dx, dh, dc, dW_x, db_x, *others = tangents
        a = linear(x, W_x, b_x)
        da = sum_tangent(a, (db_x,), x, dx, W_x, dW_x)
        dh_out, dc_out = LSTMSteps.jvp((da, dh, dc, *others), a, h, c, W, b, T, backwards)
        return dh_out, narrow(dc_out, 0, 0 if backwards else len(a) - len(c), len(c))


def c_after(u, c, T, backwards):
    """c after each step [T B, H], of the sums u [T B, 4 H] of all steps."""
    B, H = c.shape
    i, f, n, _ = split(u, H, -1)
    steps = list(zip(*(split(t, [B] * T, dim=0) for t in (times(sigmoid(i), tanh(n)), sigmoid(f))), strict=True))
    after = [c] * T
    for k in order(T, backwards):
        added_k, f_k = steps[k]
        after[k] = c = plus(added_k, times(f_k, c))
    return merge(*after, dim=0)


def at_the_end(g: Tensor, T: int, backwards: bool) -> Tensor:
    """g [B, H], of the last step, and 0 of the others: [T B, H]."""
    others = g.new_zeros((T - 1) * len(g), g.shape[1])
    return merge(g, others, dim=0) if backwards else merge(others, g, dim=0)


def in_order(steps: Iterable[Any], backwards: bool) -> Iterable[Any]:
    return reversed(list(steps)) if backwards else steps
