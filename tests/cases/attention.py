"""Attention."""

import math

import torch
from torch.nn import functional as native

import chapter14.functional as F

from .declare import case

RANDOM = {
    "per_datapoint": "vmap asks first whether the entries are to differ",
    "compiles": "Dynamo does not seed, which this case does to be the same each time",
}


def attention(q, k, v, mask=None):
    S = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return (S if mask is None else S + mask).softmax(-1) @ v


def causal(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    return attention(q, k, v, torch.full((T, S), -math.inf, dtype=q.dtype).triu(1))


def dropped(attend):
    """With dropout, and the same weights dropped each time."""

    def call(q, k, v):
        torch.manual_seed(14)
        return attend(q, k, v, dropout_p=0.3)

    return call


def attention_dropped(q, k, v):
    P = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
    torch.manual_seed(14)
    return (P * (torch.empty(P.shape, dtype=P.dtype).bernoulli_(0.7) / 0.7)) @ v


def attended(name, f, like, *extra, composite=None, title="", but=None):
    def inputs(draw, n):
        return draw(n, 6, 2), draw(n, 7, 2), draw(n, 7, 3), *(t(draw) for t in extra)

    return case(name, f, like, inputs, composite, title=title, but=but)


CASES = [
    attended("scaled_dot_product_attention", F.scaled_dot_product_attention, native.scaled_dot_product_attention,
             composite=attention),
    attended("scaled_dot_product_attention", F.scaled_dot_product_attention, native.scaled_dot_product_attention,
             lambda draw: draw(6, 7), composite=attention, title="a mask that learns"),
    attended("scaled_dot_product_attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
             lambda q, k, v: native.scaled_dot_product_attention(q, k, v, is_causal=True), composite=causal,
             title="causal"),
    attended("scaled_dot_product_attention", dropped(F.scaled_dot_product_attention),
             dropped(native.scaled_dot_product_attention), composite=attention_dropped, title="dropped",
             but=RANDOM),
]  # fmt: skip
