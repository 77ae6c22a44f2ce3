"""Scaled dot product attention: every query attends to every key, and gets a mean of the values.

    S = q k^T / √D + mask       [..., T, S]
    P = softmax(S)              each row a distribution over the keys
    x_out = P v                 [..., T, E]

    dJ/dv = P^T g
    dJ/dS = P (dP - sum_s P dP),  dP = g v^T         the softmax's L, row by row
    dJ/dq = dS k / √D,  dJ/dk = dS^T q / √D,  dJ/dmask = dS

P has T x S entries, so it is not saved: q, k and v are, and P is computed again from them, block by block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.base import Layer
from ...layer.shape import ShapeError, check_floating, check_real, was_given
from ..core.arithmetic import added, gate, keep, minus, plus, scale, sum_along, times
from ..core.arrange import put, take, transpose
from ..core.branch import broadcast_to, sum_to_size
from ..linear.matmul import matmul
from ..norm.softmax import softmax
from .attention_blocks import attention_backward, compiled_backward


class Attention(Layer):
    """`stays` is True where dropout keeps P: a bool [..., T, S], or None. Entries kept are multiplied by `up`.

    With `grouped`, k and v have K heads, each for H / K heads of q.
    """

    autocast = "lower"
    opmath = "derivatives"
    letters = {"q": "... T D", "k": "... S D", "v": "... S E", "mask": "..."}
    title = "scaled_dot_product_attention"

    @staticmethod
    def forward(q, k, v, mask, stays, causal, by, up, grouped):
        if stays is None:
            options = {"enable_gqa": True} if grouped else {}
            return native.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=by, **options)
        if grouped:
            k, v = (t.repeat_interleave(q.shape[-3] // t.shape[-3], -3) for t in (k, v))
        wide = torch.promote_types(q.dtype, torch.float32)  # rounded once, as in torch's math kernel
        S = q.to(wide) @ k.to(wide).mT * by
        if causal:
            mask = _causal_mask(S)
        if mask is not None:
            S = S.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else S + mask
        P = torch._safe_softmax(S, -1)
        return ((P * (stays.to(wide) * up)) @ v.to(wide)).to(q.dtype)

    @staticmethod
    def remember(needs, inputs, x_out):
        q, k, v, mask, *constants = inputs
        return q, k, v if needs[0] or needs[1] or needs[3] else None, v.shape, mask, *constants

    @staticmethod
    def backward(needs, g, q, k, v, v_shape, mask, stays, causal, by, up, grouped):
        k_shape = k.shape
        if grouped:
            k, v = (None if t is None else _repeat_heads(t, q.shape[-3]) for t in (k, v))
        P = _weights(q, k, mask, causal, by)
        dv = _to_heads(matmul(transpose(_drop(P, stays, up)), g), v_shape, grouped) if needs[2] else None
        if v is None:
            return None, None, dv, *_NO_MORE
        dS = _softmax_prime(_drop(matmul(g, transpose(v)), stays, up), P)
        return (
            sum_to_size(scale(matmul(dS, k), by), q.shape) if needs[0] else None,
            _to_heads(scale(matmul(transpose(dS), q), by), k_shape, grouped) if needs[1] else None,
            dv,
            sum_to_size(dS, mask.shape) if needs[3] else None,
            *_NO_MORE[1:],
        )

    @staticmethod
    def backward_once(needs, g, *remembered):
        return *attention_backward(needs, g, *remembered), *_NO_MORE[1:]

    @staticmethod
    def jvp(tangents, q, k, v, mask, stays, causal, by, up, grouped):
        dq, dk, dv, dmask, *_ = tangents
        if grouped:
            k, v, dk, dv = (None if t is None else _repeat_heads(t, q.shape[-3]) for t in (k, v, dk, dv))
        P = _weights(q, k, mask, causal, by)
        terms = (
            None if dq is None else scale(matmul(dq, transpose(k)), by),
            None if dk is None else scale(matmul(q, transpose(dk)), by),
            None if dmask is None else broadcast_to(dmask, P.shape),
        )
        dS = added(*terms) if any(t is not None for t in terms) else None
        return added(
            None if dS is None else matmul(_drop(_softmax_prime(dS, P), stays, up), v),
            None if dv is None else matmul(_drop(P, stays, up), dv),
        )


_NO_MORE = (None,) * 6


class FusedAttention(Attention):
    """Its backward pass is one operator, as a compiler would hold P and dS whole, but for those that a cache holds."""

    SMALL = 2**14  # entries of P of one head

    @staticmethod
    def backward(needs, g, q, k, *rest):
        if q.shape[-2] * k.shape[-2] <= FusedAttention.SMALL:
            return Attention.backward(needs, g, q, k, *rest)
        return *compiled_backward(needs, g, q, k, *rest), *_NO_MORE[1:]


Attention.fused = FusedAttention


def _softmax_prime(g: Tensor, P: Tensor) -> Tensor:
    return times(P, minus(g, sum_along(times(P, g), -1)))


def _drop(P: Tensor, stays: Tensor | None, up: float) -> Tensor:
    return P if stays is None else scale(gate(P, stays), up)


def _causal_mask(S: Tensor) -> Tensor:
    return torch.ones(S.shape[-2:], dtype=torch.bool, device=S.device).tril()


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, by: float) -> Tensor:
    """P. The row of a query without any visible key is 0, where a softmax would be NaN."""
    S = scale(matmul(q, transpose(k)), by)
    if causal:
        mask = _causal_mask(S)
    if mask is None:
        return softmax(S, -1)
    hidden = ~mask if mask.dtype == torch.bool else mask.detach() == -math.inf
    somewhere = ~hidden.all(-1, keepdim=True)
    if mask.is_floating_point():
        S = plus(S, keep(mask, ~hidden))
    hide = torch.zeros(hidden.shape, dtype=S.dtype, device=S.device).masked_fill(hidden & somewhere, -math.inf)
    P = softmax(plus(S, hide), -1)
    return gate(P, somewhere.expand(P.shape))


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """query [..., T, D], key [..., S, D], value [..., S, E], attn_mask [..., T, S] → [..., T, E].

    As `torch.nn.functional.scaled_dot_product_attention`: a bool mask is True where a query may attend, another mask is
    added to the scores; with `is_causal`, query t attends to keys 0 to t; `scale` is 1/√D by default. The same seed
    drops the same weights.

    Raises:
        RuntimeError: both a mask and `is_causal` are given; or `dropout_p` is not a probability.
    """
    if attn_mask is not None and is_causal:
        raise RuntimeError("scaled_dot_product_attention: it takes attn_mask or is_causal=True; it was given both.")
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"scaled_dot_product_attention: dropout_p is a probability; it was given {dropout_p}.")
    check_floating("scaled_dot_product_attention", query=query, key=key, value=value)
    check_real("scaled_dot_product_attention", query=query, key=key, value=value)
    grouped = enable_gqa and _is_grouped(query.shape[-3], key.shape[-3], value.shape[-3])
    if grouped and key.shape[-3] != value.shape[-3]:
        key, value, grouped = *(_repeat_heads(t, query.shape[-3]) for t in (key, value)), False
    if min(t.ndim for t in (query, key, value)) < 2:
        expected = "query [..., T, D], key [..., S, D], value [..., S, E]"
        given = was_given(query=query, key=key, value=value)
        raise ShapeError(f"scaled_dot_product_attention: it expects {expected}; {given}")
    by = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else scale
    stays = _dropout_mask(query, key[..., :1, :, :] if grouped else key, attn_mask, dropout_p) if dropout_p else None
    up = 1 / (1 - dropout_p) if dropout_p < 1 else 0.0
    return Attention.of(query, key, value, attn_mask, stays, is_causal, by, up, grouped)


def _is_grouped(heads: int, *others: int) -> bool:
    """Whether some heads of keys or values serve several heads of queries."""
    for K in others:
        if K != heads and (K == 0 or heads % K):
            raise RuntimeError(f"scaled_dot_product_attention: {K} key heads do not divide {heads} query heads.")
    return any(K != heads for K in others)


def _dropout_mask(q: Tensor, k: Tensor, mask: Tensor | None, p: float) -> Tensor:
    """True with probability 1 - p, for each weight; with the same seed, the same as in `dropout`."""
    batch = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
    shape = torch.broadcast_shapes((*batch, q.shape[-2], k.shape[-2]), () if mask is None else mask.shape)
    return q.new_empty(shape).bernoulli_(1 - p).bool()


def _repeat_heads(t: Tensor, heads: int) -> Tensor:
    """Each head of keys or values, for all heads of queries that it serves: a branch."""
    return take(t, _serving(t.shape[-3], heads, t.device), -3)


def _to_heads(dt: Tensor, shape: Sequence[int], grouped: bool) -> Tensor:
    """The gradient of t [*shape], of which `_repeat_heads` or a broadcast made what has the gradient dt."""
    if grouped:
        dt = put(dt, _serving(shape[-3], dt.shape[-3], dt.device), -3, shape[-3])
    return sum_to_size(dt, shape)


def _serving(K: int, heads: int, device: torch.device) -> Tensor:
    """Which of K heads of keys serves each head of queries."""
    return torch.arange(K, device=device).repeat_interleave(heads // K)
