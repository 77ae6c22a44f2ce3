"""Attention."""

import math

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case

RANDOM = {
    "per_datapoint_gradients": "vmap asks first whether the entries are to differ",
    "compiles": "Dynamo does not seed, which this case does to be the same each time",
}
OF_LAYERS = {
    "memory_at_most_native": "made of ten layers, each of which remembers what it needs",
    "wrong_shapes": "PyTorch's errors here are AssertionErrors, and so are these: this check takes one for a break",
}
SHOWN = {"autocast_agrees": "the weights that are shown are in float32, as PyTorch has them on a GPU"}
HIDDEN = {
    "autocast_agrees": "after ten roundings to bfloat16 the error of PyTorch's own g_in, 0.04, is too large",
    "forward_mode_agrees": "PyTorch's attention on a CPU has no forward mode; mixed_mode_orders has the composite",
    "per_datapoint_gradients": "PyTorch warns that its attention on a CPU has no batching rule",
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


def attended(name, f, like, *extra, composite=None, title="", skip=None):
    def inputs(draw, n):
        return draw(n, 6, 2), draw(n, 7, 2), draw(n, 7, 3), *(t(draw) for t in extra)

    return case(name, f, like, inputs, composite, title=title, skip=skip)


def grouped(f):
    return lambda q, k, v: f(q, k, v, is_causal=True, enable_gqa=True)


def repeated(q, k, v):
    return causal(q, *(t.repeat_interleave(2, -3) for t in (k, v)))


def heads_drawn(draw, n):
    return draw(n, 4, 5, 2), draw(n, 2, 5, 2), draw(n, 2, 5, 3)


def multihead(f, **options):
    def call(q, k, v, W, b, W_out, b_out):
        x_out = f(q, k, v, 4, 2, W, b, None, None, False, 0.0, W_out, b_out, **options)
        return x_out if options.get("need_weights", True) else x_out[0]

    return call


def heads(q, k, v, W, b, W_out, b_out):
    """[x_out, P], out of plain operations."""
    x = [t @ w.T + c for t, w, c in zip((q, k, v), W.chunk(3), b.chunk(3), strict=True)]
    q, k, v = (t.unflatten(-1, (2, 2)).movedim(0, -2) for t in x)  # [B, heads, T, D / heads], or without B
    P = (q @ k.transpose(-2, -1) / math.sqrt(2)).softmax(-1)
    return (P @ v).movedim(-2, 0).flatten(-2) @ W_out.T + b_out, P.mean(-3)


def projected(draw, n):
    return draw(3, n, 4), draw(5, n, 4), draw(5, n, 4), draw(12, 4), draw(12), draw(4, 4), draw(4)


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
             skip=RANDOM),
    case("scaled_dot_product_attention", grouped(F.scaled_dot_product_attention),
         grouped(native.scaled_dot_product_attention), heads_drawn, repeated, title="grouped",
         skip={k: HIDDEN[k] for k in ("forward_mode_agrees", "per_datapoint_gradients")}),
    case("multi_head_attention_forward", multihead(F.multi_head_attention_forward),
         multihead(native.multi_head_attention_forward), projected, heads,
         (ours.MultiheadAttention, nn.MultiheadAttention, (4, 2)), OF_LAYERS | SHOWN),
    case("multi_head_attention_forward", multihead(F.multi_head_attention_forward, need_weights=False),
         multihead(native.multi_head_attention_forward, need_weights=False), projected,
         lambda *inputs: heads(*inputs)[0], title="weights not looked at",
         skip=OF_LAYERS | HIDDEN),
]  # fmt: skip
