"""Scaled dot product attention: every query looks at every key, and takes of the values what it finds.

    S = q k^T / √D + mask       [..., T, S]
    P = softmax(S)              each row a distribution over the keys
    x_out = P v                 [..., T, E]

    dJ/dv = P^T g
    dJ/dS = P (dP - sum_s P dP),  dP = g v^T         the softmax's L, row by row
    dJ/dq = dS k / √D,  dJ/dk = dS^T q / √D,  dJ/dmask = dS

P has T x S entries, so it is not remembered: q, k and v are, and P is computed again from them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as native

from ..layer import Layer
from .arithmetic import added, gate, keep, minus, plus, scale, sum_along, times
from .arrange import take, transpose
from .branch import total
from .dropout import dropout
from .matmul import matmul
from .softmax import softmax


class Attention(Layer):
    autocast = "lower"
    letters = {"q": "... T D", "k": "... S D", "v": "... S E", "mask": "..."}
    title = "scaled_dot_product_attention"

    @staticmethod
    def forward(q, k, v, mask, causal, by):
        return native.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=by)

    @staticmethod
    def remember(needs, inputs, x_out):
        q, k, v, mask, causal, by = inputs
        return q, k, v if needs[0] or needs[1] or needs[3] else None, v.shape, mask, causal, by

    @staticmethod
    def backward(needs, g, q, k, v, v_shape, mask, causal, by):
        P = _weights(q, k, mask, causal, by)
        dv = total(matmul(transpose(P), g), v_shape) if needs[2] else None
        if v is None:
            return None, None, dv, None, None, None
        dS = _softmax_prime(matmul(g, transpose(v)), P)
        return (
            total(scale(matmul(dS, k), by), q.shape) if needs[0] else None,
            total(scale(matmul(transpose(dS), q), by), k.shape) if needs[1] else None,
            dv,
            total(dS, mask.shape) if needs[3] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, q, k, v, mask, causal, by):
        dq, dk, dv, dmask, *_ = tangents
        P = _weights(q, k, mask, causal, by)
        ways = (
            None if dq is None else scale(matmul(dq, transpose(k)), by),
            None if dk is None else scale(matmul(q, transpose(dk)), by),
            dmask,
        )
        dS = added(*ways) if any(way is not None for way in ways) else None
        return added(
            None if dS is None else matmul(_softmax_prime(dS, P), v),
            None if dv is None else matmul(P, dv),
        )


def _softmax_prime(g: Tensor, P: Tensor) -> Tensor:
    return times(P, minus(g, sum_along(times(P, g), -1)))


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, by: float) -> Tensor:
    """P. A query that may look nowhere takes nothing: its row is 0, where a softmax would be NaN."""
    S = scale(matmul(q, transpose(k)), by)
    if causal:
        mask = torch.ones(S.shape[-2:], dtype=torch.bool, device=S.device).tril()
    if mask is None:
        return softmax(S, -1)
    hidden = ~mask if mask.dtype == torch.bool else mask.detach() == -math.inf
    somewhere = ~hidden.all(-1, keepdim=True)
    if mask.is_floating_point():
        S = plus(S, keep(mask, ~hidden))
    hide = torch.zeros(hidden.shape, dtype=S.dtype, device=S.device).masked_fill(hidden & somewhere, -math.inf)
    return gate(softmax(plus(S, hide), -1), somewhere.expand(S.shape))


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """query [..., T, D], key [..., S, D], value [..., S, E], attn_mask [..., T, S] → [..., T, E].

    As `torch.nn.functional.scaled_dot_product_attention`: True in a bool mask is where a query may look, another is
    added to the scores; `is_causal` lets query t look at keys 0 to t; `scale` is 1/√D unless given.

    Raises:
        RuntimeError: both a mask and `is_causal`.
    """
    if attn_mask is not None and is_causal:
        raise RuntimeError("scaled_dot_product_attention: it takes attn_mask or is_causal=True; it was given both.")
    if enable_gqa:  # each head of keys and values serves several of queries: a branch
        key, value = (_for_each_head(t, query.shape[-3]) for t in (key, value))
    by = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if dropout_p:
        P = _weights(query, key, attn_mask, is_causal, by)
        return matmul(dropout(P, dropout_p), value)
    return Attention.of(query, key, value, attn_mask, is_causal, by)


def _for_each_head(t: Tensor, heads: int) -> Tensor:
    if heads % t.shape[-3]:
        raise RuntimeError(
            f"scaled_dot_product_attention: {t.shape[-3]} heads of keys do not divide {heads} heads of queries."
        )
    return take(t, torch.arange(t.shape[-3], device=t.device).repeat_interleave(heads // t.shape[-3]), -3)
