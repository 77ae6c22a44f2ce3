"""A whole chain of GRU cells as one layer: the same as cell after cell (section 14.8), but faster.

    h_t   = cell(a_t, h_(t-1))
    dh_t  = g_t + z_(t+1) dh_(t+1) + du_(t+1) W            from outside, and from the next step
    da_t  = dh_t [s r', (h_(t-1) - n) z', n' (1 - z)]      with s = u_n n' (1 - z)
    du_t  = the same, but the last times r
    dJ/dW = sum over t of du_t^T h_(t-1),  dJ/db = sum over t of du_t                   (14.47)

What does not depend on dh, the gates and their derivatives, is computed for all steps at once; so is the sum (14.47).
"""

from __future__ import annotations

import torch

from ...layer.base import Layer
from ..core.arithmetic import plus, times
from ..core.arrange import transpose
from ..core.complex import conj, conjugates
from ..core.merge import merge, split
from ..linear.linear import Linear, linear
from .cells import GRUCell, gru_slopes
from .steps import order, states_before


class GRUChain(Layer):
    """a [T B, 3 H], one step below another, h [B, H] → h after each step [T B, H]."""

    autocast = "lower"
    letters = {"a": "TB 3H", "h": "B H", "W": "3H H", "b": "3H"}
    title = "gru"
    opmath = "derivatives"

    @staticmethod
    def forward(a, h, W, b, T, backwards):
        steps, hs = a.split([h.shape[0]] * T), [h] * T
        for t in order(T, backwards):
            hs[t] = h = GRUCell.forward(steps[t], h, W, b)
        return torch.cat(hs)

    @staticmethod
    def remember(needs, inputs, x_out):
        return *inputs, x_out

    @staticmethod
    def backward(needs, g, a, h, W, b, T, backwards, hs):
        a, h, W, b, hs = conjugates(a, h, W, b, hs)
        h_before = states_before(h, hs, backwards)
        by = gru_slopes(a, h_before, W, b)
        into_r = times(by.h_n, by.n_r)
        slopes = merge(into_r, by.h_z, times(by.h_n, by.r)), merge(into_r, by.h_z, by.h_n), by.z
        steps = list(zip(*[split(x, [h.shape[0]] * T, dim=0) for x in (g, *slopes)], strict=True))
        du, da, back, W_back = [a] * T, [a] * T, None, transpose(W)
        for k in reversed(order(T, backwards)):
            g_k, u, a_k, z = steps[k]
            dh = g_k if back is None else plus(g_k, back)
            all_three = merge(dh, dh, dh)
            du[k], da[k] = times(all_three, u), times(all_three, a_k)
            back = plus(times(dh, z), linear(du[k], W_back))
        _, dW, db = Linear.backward((False, *needs[2:4]), merge(*du, dim=0), conj(h_before), None)
        return merge(*da, dim=0) if needs[0] else None, back if needs[1] else None, dW, db, None, None

    @staticmethod
    def backward_once(needs, g, a, h, W, b, T, backwards, hs):
        """The same in place, four operations a step."""
        B, H = h.shape
        h_before = states_before(h, hs, backwards)
        u = torch.nn.functional.linear(h_before, W, b).view(len(a), 3, H)
        a = a.view(len(a), 3, H)
        r, z = (a[:, :2] + u[:, :2]).sigmoid_().unbind(1)
        n = torch.addcmul(a[:, 2], r, u[:, 2]).tanh_()
        da = torch.empty_like(u)
        torch.mul(1 - z, 1 - n * n, out=da[:, 2])
        torch.mul(h_before - n, z * (1 - z), out=da[:, 1])
        torch.mul(da[:, 2] * u[:, 2], r * (1 - r), out=da[:, 0])
        du = da.clone()
        du[:, 2].mul_(r)
        steps = [x.split([B] * T) for x in (g, z, du)]
        dhs, back = [h] * T, None
        for k in reversed(order(T, backwards)):
            g_k, z_k, du_k = (x[k] for x in steps)
            dhs[k] = dh = g_k if back is None else g_k + back
            du_k.mul_(dh.unsqueeze(1))
            back = torch.addmm(dh * z_k, du_k.view(B, 3 * H), W)
        du = du.view(len(a), 3 * H)
        return (
            da.mul_(torch.cat(dhs).unsqueeze(1)).view(len(a), 3 * H) if needs[0] else None,
            back if needs[1] else None,
            du.t() @ h_before if needs[2] else None,
            du.sum(0) if needs[3] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, a, h, W, b, T, backwards):
        da, dh, dW, db, *_ = tangents
        sizes = [h.shape[0]] * T
        moves = [None] * T if da is None else split(da, sizes, dim=0)
        steps, hs = split(a, sizes, dim=0), [h] * T
        for k in order(T, backwards):
            dh = GRUCell.jvp((moves[k], dh, dW, db), steps[k], h, W, b)
            h = GRUCell.of(steps[k], h, W, b)
            hs[k] = dh
        return merge(*hs, dim=0)
