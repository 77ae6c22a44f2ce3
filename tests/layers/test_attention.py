"""The backward pass of attention in blocks of any size, beside PyTorch's math kernel; eager and compiled."""

import math

import pytest
import torch
from torch.nn import attention
from torch.nn import functional as native
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.layers.sequence import attention_blocks
from chapter14.layers.sequence.attention import FusedAttention

SHAPES = {
    "plain": ((2, 4, 7, 3), (2, 4, 9, 3), (2, 4, 9, 5)),
    "no batch": ((7, 3), (9, 3), (9, 5)),
    "fewer keys": ((2, 7, 3), (2, 5, 3), (2, 5, 5)),
    "broadcast": ((2, 1, 7, 3), (1, 4, 9, 3), (2, 4, 9, 5)),
    "no queries": ((2, 0, 3), (2, 5, 3), (2, 5, 5)),
}
GROUPED = {"two heads of keys": (2, 2), "one": (1, 1), "values have others": (4, 2)}
MASKS = {"whole": (2, 4, 7, 9), "all heads": (2, 1, 7, 9), "keys": (9,), "queries": (7, 1)}
OPTIONS = {"plain": {}, "causal": {"is_causal": True}, "dropped": {"dropout_p": 0.4}, "scaled": {"scale": 0.3}}

blocks = pytest.mark.parametrize("entries, rows", [(2**17, 128), (200, 3), (7, 1)])


def drawn(shapes, dtype=torch.float64):
    torch.manual_seed(14)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def outputs(f, inputs, mask=None, **options):
    """x_out, and the gradients of all inputs."""
    learns = [*inputs, *([mask] if mask is not None and mask.is_floating_point() else [])]
    torch.manual_seed(14)
    with attention.sdpa_kernel(attention.SDPBackend.MATH):
        x_out = f(*inputs, attn_mask=mask, **options)
    return x_out, *torch.autograd.grad(x_out, learns, torch.randn(x_out.shape, dtype=x_out.dtype))


def set_blocks(monkeypatch, entries, rows):
    monkeypatch.setattr(attention_blocks, "CPU_ENTRIES", entries)
    monkeypatch.setattr(attention_blocks, "MIN_ROWS", rows)


def assert_agree(*inputs, **options):
    assert_close(*(outputs(f.scaled_dot_product_attention, *inputs, **options) for f in (F, native)))


@blocks
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_blocks(shapes, options, entries, rows, monkeypatch):
    set_blocks(monkeypatch, entries, rows)
    assert_agree(drawn(shapes), **options)


@blocks
@pytest.mark.parametrize("kind", ["bool", "hiding", "adding"])
@pytest.mark.parametrize("shape", MASKS.values(), ids=MASKS)
def test_blocks_of_a_mask(shape, kind, entries, rows, monkeypatch):
    set_blocks(monkeypatch, entries, rows)
    inputs, mask = drawn(SHAPES["plain"]), torch.randn(shape, dtype=torch.float64)
    if kind == "bool":
        mask = mask > 0
    elif kind == "hiding":
        mask = torch.zeros_like(mask).masked_fill_(mask > 0, -math.inf)
    assert_agree(inputs, mask if kind == "bool" else mask.requires_grad_())


@blocks
@pytest.mark.parametrize("options", [{}, {"is_causal": True}], ids=["plain", "causal"])
@pytest.mark.parametrize("heads", GROUPED.values(), ids=GROUPED)
def test_blocks_of_grouped_heads(heads, options, entries, rows, monkeypatch):
    set_blocks(monkeypatch, entries, rows)
    K, V = heads
    assert_agree(drawn([(2, 4, 7, 3), (2, K, 9, 3), (2, V, 9, 5)]), enable_gqa=True, **options)


def test_grouped_heads_dropped():
    q, k, v = drawn([(2, 4, 7, 3), (2, 2, 9, 3), (2, 2, 9, 3)])
    grouped, repeated = (q, k, v), (q, *(t.repeat_interleave(2, -3) for t in (k, v)))
    f = F.scaled_dot_product_attention
    assert_close(*(outputs(f, t, dropout_p=0.4, enable_gqa=True)[:2] for t in (grouped, repeated)))


def test_no_whole_matrix():
    T = 2048
    q, k, v = drawn([(1, 1, T, 16)] * 3, torch.float32)
    x_out = F.scaled_dot_product_attention(q, k, v)
    with torch.profiler.profile(profile_memory=True) as profile:
        torch.autograd.grad(x_out.sum(), (q, k, v))
    P = 4 * T**2  # bytes
    assert 0 < max(event.self_cpu_memory_usage for event in profile.events()) < P / 4


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"enable_gqa": True}], ids=["plain", "causal", "grouped"])
@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled(options, dynamic, monkeypatch):
    monkeypatch.setattr(FusedAttention, "SMALL", 0)
    K = 2 if "enable_gqa" in options else 4
    inputs = drawn([(2, 4, 7, 4), (2, K, 7, 4), (2, K, 7, 4)])
    torch._dynamo.reset()
    compiled = torch.compile(F.scaled_dot_product_attention, fullgraph=True, dynamic=dynamic)
    assert_close(*(outputs(f, inputs, **options) for f in (compiled, native.scaled_dot_product_attention)))


@pytest.mark.slow
def test_operator():
    q, k, v = drawn([(2, 4, 7, 3), (2, 2, 9, 3), (2, 2, 9, 5)])
    g, mask = torch.randn(2, 4, 7, 5, dtype=q.dtype), torch.randn(7, 9, dtype=q.dtype)
    tensors = [t.detach() for t in (g, q, k, v)]
    for needs in ([True] * 4, [False, False, True, False]):
        inputs = needs, *tensors, v.shape, mask, None, False, 0.3, 1.0, True
        torch.library.opcheck(torch.ops.chapter14.attention_backward, inputs)
