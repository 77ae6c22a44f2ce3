"""Attention."""

import math

import torch
from torch.nn import functional as native

import chapter14.functional as F

from .declare import case


def attention(q, k, v, mask=None):
    S = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return (S if mask is None else S + mask).softmax(-1) @ v


def causal(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    return attention(q, k, v, torch.full((T, S), -math.inf, dtype=q.dtype).triu(1))


def attended(name, f, like, *extra, composite=None, title=""):
    def inputs(draw, n):
        return draw(n, 6, 2), draw(n, 7, 2), draw(n, 7, 3), *(t(draw) for t in extra)

    return case(name, f, like, inputs, composite, title=title)


CASES = [
    attended("scaled_dot_product_attention", F.scaled_dot_product_attention, native.scaled_dot_product_attention,
             composite=attention),
    attended("scaled_dot_product_attention", F.scaled_dot_product_attention, native.scaled_dot_product_attention,
             lambda draw: draw(6, 7), composite=attention, title="a mask that learns"),
    attended("scaled_dot_product_attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
             lambda q, k, v: native.scaled_dot_product_attention(q, k, v, is_causal=True), composite=causal,
             title="causal"),
]  # fmt: skip
