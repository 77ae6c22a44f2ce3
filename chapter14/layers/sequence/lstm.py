"""A whole chain of LSTM cells as one layer: the same as cell after cell (section 14.8), but faster.

    h_t, c_t = cell(a_t, h_(t-1), c_(t-1))
    dh_t  = g_t + du_(t+1) W                               from outside, and from the next step
    dc_t  = g_c_t + f_(t+1) dc_(t+1) + dh_t o (1 - tanh(c_t)²)
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
from .steps import order, states_before


class LSTMChain(Layer):
    """a [T B, 4 H], one step below another, h and c [B, H] → h and c after each step [T B, H]."""

    autocast = "lower"
    letters = {"a": "TB 4H", "h": "B H", "c": "B H", "W": "4H H", "b": "4H"}
    title = "lstm"
    opmath = "derivatives"
    many = True

    @staticmethod
    def forward(a, h, c, W, b, T, backwards):
        steps, W = (a if b is None else a + b).split([h.shape[0]] * T), W.t()
        hs, cs = [h] * T, [c] * T
        for t in order(T, backwards):
            u = torch.addmm(steps[t], h, W)
            n, (i, f, _, o) = u.chunk(4, -1)[2].tanh(), u.sigmoid().chunk(4, -1)
            cs[t] = c = torch.addcmul(f * c, i, n)
            hs[t] = h = o * c.tanh()
        return torch.cat(hs), torch.cat(cs)

    @staticmethod
    def remember(needs, inputs, x_out):
        return *inputs, *x_out

    @staticmethod
    def backward(needs, g, a, h, c, W, b, T, backwards, hs, cs):
        a, h, c, W, b, hs, cs = conjugates(a, h, c, W, b, hs, cs)
        h_before = states_before(h, hs, backwards)
        slopes = lstm_slopes(a, h_before, states_before(c, cs, backwards), W, b)
        steps = list(zip(*[split(x, [h.shape[0]] * T, dim=0) for x in (*g, *slopes)], strict=True))
        du, W_back = [a] * T, transpose(W)
        back: list[Tensor] = []
        for k in reversed(order(T, backwards)):
            g_h, g_c, *by = steps[k]
            dh, dc = map(plus, (g_h, g_c), back) if back else (g_h, g_c)
            du[k], dc = lstm_back(dh, dc, LSTMSlopes(*by))
            back = [linear(du[k], W_back), dc]
        da = merge(*du, dim=0)
        _, dW, db = Linear.backward((False, *needs[3:5]), da, conj(h_before), None)
        wanted = (x if need else None for x, need in zip((da, *back), needs, strict=False))
        return *wanted, dW, db, None, None

    @staticmethod
    def backward_once(needs, g, a, h, c, W, b, T, backwards, hs, cs):
        """The same in place: c's three slopes as one tensor [T B, 3, H], and seven operations a step."""
        B, H = h.shape
        h_before, c_before = (states_before(*s, backwards) for s in ((h, hs), (c, cs)))
        u = torch.addmm(a if b is None else a + b, h_before, W.t()).view(len(a), 4, H)
        n, (i, f, _, o) = u[:, 2].tanh(), u.sigmoid_().unbind(1)
        du = u * (1 - u)  # σ'
        du[:, 0].mul_(n), du[:, 1].mul_(c_before)
        torch.mul(i, 1 - n * n, out=du[:, 2])
        t = torch.addcmul(i * n, f, c_before).tanh_()  # not of cs, which half precision rounds
        du[:, 3].mul_(t)
        h_c = o * (1 - t * t)
        steps = [x.split([B] * T) for x in (*g, f, h_c, du)]
        back_h = back_c = None
        for k in reversed(order(T, backwards)):
            dh, dc, f_k, h_c_k, du_k = (x[k] for x in steps)
            if back_h is not None:
                dh, dc = dh + back_h, dc + back_c
            dc = torch.addcmul(dc, dh, h_c_k)
            du_k[:, :3].mul_(dc.unsqueeze(1))
            du_k[:, 3].mul_(dh)
            back_h, back_c = du_k.view(B, 4 * H) @ W, dc * f_k
        da = du.view(len(a), 4 * H)
        return (
            da if needs[0] else None,
            back_h if needs[1] else None,
            back_c if needs[2] else None,
            da.t() @ h_before if needs[3] else None,
            da.sum(0) if needs[4] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, a, h, c, W, b, T, backwards):
        da, dh, dc, dW, db, *_ = tangents
        sizes = [h.shape[0]] * T
        moves = [None] * T if da is None else split(da, sizes, dim=0)
        steps, hs, cs = split(a, sizes, dim=0), [h] * T, [c] * T
        for k in order(T, backwards):
            dh, dc = LSTMCell.jvp((moves[k], dh, dc, dW, db), steps[k], h, c, W, b)
            h, c = LSTMCell.of(steps[k], h, c, W, b)
            hs[k], cs[k] = dh, dc
        return merge(*hs, dim=0), merge(*cs, dim=0)
