"""Multi-head attention: h attentions in parallel, each on D / h of the D features.

    [q k v] = [W_q x_q, W_k x_k, W_v x_v] + b         [T, B, D], [S, B, D], [S, B, D]
    heads   = attention(q, k, v) in each of h parts   [B, h, T, D / h]
    x_out   = W_o [heads, concatenated] + b_o         [T, B, D]

A composition of layers, without a derivative of its own.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as native

from ..core.arithmetic import mean_along, plus, scale
from ..core.arrange import pad, permute, reshape, transpose
from ..core.branch import branch, broadcast_to
from ..core.merge import merge, split
from ..linear.linear import linear
from ..linear.matmul import matmul
from ..norm.softmax import softmax
from ..pointwise.dropout import dropout
from .attention import scaled_dot_product_attention


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None, bias_v: Tensor | None,
    add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor, out_proj_bias: Tensor | None,
    training: bool = True, key_padding_mask: Tensor | None = None, need_weights: bool = True,
    attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None, static_k: Tensor | None = None,
    static_v: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """query [T, B, D], key and value [S, B, D], or without B → x_out [T, B, D], and P [B, T, S] where it is needed.

    As `torch.nn.functional.multi_head_attention_forward`. A bool mask is True where a query may not attend.

    Raises:
        AssertionError: inputs do not fit together.
        RuntimeError: `attn_mask` does not fit, or is missing with `is_causal`.
    """
    batched = native._mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)  # type: ignore[attr-defined]
    padding, mask = _as_terms(key_padding_mask, attn_mask, query.dtype, is_causal, need_weights)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else (in_proj_weight,)
    _check(query, key, value, embed_dim_to_check, num_heads, weights, bias_k, bias_v, static_k, static_v)
    if not batched:
        alone = {id(t): reshape(t, (t.shape[0], 1, t.shape[1])) for t in (query, key, value)}
        query, key, value = (alone[id(t)] for t in (query, key, value))  # the same tensor stays the same tensor
        padding = None if padding is None else padding[None]
    T, B, D = query.shape
    mask = _fitting(mask, B, num_heads, T, key.shape[0])

    q, k, v = _projected((query, key, value), weights, in_proj_bias)
    q, k, v = (_in_heads(t, num_heads) for t in (q, _and_bias(k, bias_k), _and_bias(v, bias_v)))
    k = k if static_k is None else reshape(static_k, (B, num_heads, *static_k.shape[1:]))
    v = v if static_v is None else reshape(static_v, (B, num_heads, *static_v.shape[1:]))
    if add_zero_attn:
        k, v = pad(k, (0, 0, 0, 1)), pad(v, (0, 0, 0, 1))
    mask = _together(mask, padding, k.shape[-2], B, added=(bias_k is not None) + add_zero_attn)

    p = dropout_p if training else 0.0
    if need_weights:
        P = _weights(q, k, mask, is_causal)
        P, shown = branch(dropout(P, p) if p else P)
        heads = matmul(P, v)
    else:
        heads = scaled_dot_product_attention(q, k, v, mask, p, is_causal and key_padding_mask is None)
    x_out = linear(reshape(permute(heads, (2, 0, 1, 3)), (T, B, D)), out_proj_weight, out_proj_bias)
    if not batched:
        x_out = reshape(x_out, (T, x_out.shape[-1]))
    if not need_weights:
        return x_out, None
    if average_attn_weights:
        shown = reshape(mean_along(shown, 1), (B, *shown.shape[2:]))
    return x_out, shown if batched else reshape(shown, shown.shape[1:])


def _as_terms(padding, mask, dtype, causal, need_weights) -> tuple[Tensor | None, Tensor | None]:
    """The masks as terms of the scores: 0 where a query may attend, else -∞."""
    if causal and mask is None:
        raise RuntimeError("multi_head_attention_forward: is_causal describes attn_mask; it was given attn_mask None.")
    as_term, dtype_of = native._canonical_mask, native._none_or_dtype  # type: ignore[attr-defined]
    padding = as_term(padding, "key_padding_mask", dtype_of(mask), "attn_mask", dtype)
    if causal and padding is None and not need_weights:
        return None, None
    return padding, as_term(mask, "attn_mask", None, "", dtype, check_other=False)


def _fitting(mask: Tensor | None, B: int, heads: int, T: int, S: int) -> Tensor | None:
    """[T, S] or [B heads, T, S], in a shape that broadcasts with the scores [B, heads, T, S]."""
    if mask is None:
        return None
    if mask.shape not in ((T, S), (B * heads, T, S)):
        fits = f"[{T}, {S}] or [{B * heads}, {T}, {S}]"
        raise RuntimeError(f"multi_head_attention_forward: attn_mask is {fits}; it was given {list(mask.shape)}.")
    return reshape(mask, (1, 1, T, S) if mask.ndim == 2 else (B, heads, T, S))


def _together(mask: Tensor | None, padding: Tensor | None, S: int, B: int, added: int) -> Tensor | None:
    """Both masks as one; added keys are visible."""
    if mask is not None and added:
        mask = pad(mask, (0, added))
    if padding is None:
        return mask
    padding = pad(padding, (0, added)) if added else padding
    native._check_key_padding_mask(padding, S, B)  # type: ignore[attr-defined]
    padding = reshape(padding, (B, 1, 1, S))
    return padding if mask is None else plus(mask, padding)


def _projected(x: tuple[Tensor, ...], weights: tuple, b: Tensor | None) -> tuple[Tensor, ...]:
    """q, k, v. Those with the same x_in are one product."""
    if len(weights) == 1:
        W, D = weights[0], x[0].shape[-1]
        if x[0] is x[1] is x[2]:
            return split(linear(x[0], W, b), D, -1)
        sizes = [D, 2 * D] if x[1] is x[2] else D
        Ws, bs = split(W, sizes, dim=0), (None,) * 3 if b is None else split(b, sizes)
        if x[1] is x[2]:
            return linear(x[0], Ws[0], bs[0]), *split(linear(x[1], Ws[1], bs[1]), D, -1)
        weights = Ws
    bs = (None,) * 3 if b is None else split(b, b.shape[0] // 3)
    return tuple(linear(*each) for each in zip(x, weights, bs, strict=True))


def _and_bias(t: Tensor, b: Tensor | None) -> Tensor:
    """t with one more key, or value, the same for every datapoint."""
    return t if b is None else merge(t, broadcast_to(b, (1, *t.shape[1:])), dim=0)


def _in_heads(t: Tensor, heads: int) -> Tensor:
    """[T, B, D] → [B, heads, T, D / heads]"""
    T, B, D = t.shape
    return permute(reshape(t, (T, B, heads, D // heads)), (1, 2, 0, 3))


def _weights(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """P, as it is returned: NaN for a query without any visible key."""
    if causal and mask is None:
        raise AssertionError("multi_head_attention_forward: is_causal needs attn_mask where the weights are needed.")
    S = matmul(scale(q, 1 / math.sqrt(q.shape[-1])), transpose(k))
    return softmax(S if mask is None else plus(S, mask), -1)


def _check(q, k, v, D, heads, weights, bias_k, bias_v, static_k, static_v):
    def expect(fits: bool, what: str) -> None:
        if not fits:
            raise AssertionError(f"multi_head_attention_forward: {what}.")

    B = q.shape[1] if q.ndim == 3 else 1
    expect(q.shape[-1] == D, f"query has {D} entries a token, and was given {q.shape[-1]}")
    expect(D % heads == 0, f"{heads} heads do not divide {D} entries")
    expect(all(W is not None for W in weights), "the weights of the projections are in_proj_weight, or all three")
    fits = k.shape == v.shape if len(weights) == 1 else k.shape[:-1] == v.shape[:-1]
    expect(fits, f"key {list(k.shape)} and value {list(v.shape)} do not fit each other")
    if len(weights) == 3:
        shapes = [(D, x.shape[-1]) for x in (q, k, v)]
        given = [tuple(W.shape) for W in weights]
        expect(given == shapes, f"the weights of the projections are {shapes}, and were given {given}")
    expect((bias_k is None) == (bias_v is None), "bias_k and bias_v go together")
    for name, b, static in (("k", bias_k, static_k), ("v", bias_v, static_v)):
        expect(b is None or static is None, f"static_{name} takes no bias_{name}")
        fits = static is None or (static.shape[0] == B * heads and static.shape[2] == D // heads)
        expect(fits, f"static_{name} is [{B * heads}, S, {D // heads}]")
