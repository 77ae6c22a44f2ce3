"""Attention and transformers as modules: parameters, outputs and gradients as PyTorch's, and nothing native."""

import pytest
import torch
from torch.testing import assert_close

import chapter14.nn as ours
from chapter14.conversion.audit import audit

native = torch.nn


def encoder(nn, **options):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, **options), 2, nn.LayerNorm(8))


def decoder(nn, **options):
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, **options), 2)


def whole(nn, **options):
    return nn.Transformer(8, 2, 1, 1, 16, **options)


def attention(nn, batch_first, **options):
    return nn.MultiheadAttention(8, 2, 0.1, batch_first=batch_first)


def made(make, nn, training=True, **options):
    torch.manual_seed(1)
    return make(nn, batch_first=True, **options).double().train(training)


def called(module, x, y, **masks):
    torch.manual_seed(2)
    inputs = {native.TransformerEncoder: (x,), native.MultiheadAttention: (x, y, y)}
    x_out = module(*next((given for kind, given in inputs.items() if isinstance(module, kind)), (x, y)), **masks)
    return x_out[0] if isinstance(x_out, tuple) else x_out


@pytest.fixture
def sequences():
    generator = torch.Generator().manual_seed(3)
    return (torch.randn(3, n, 8, dtype=torch.float64, generator=generator) for n in (4, 5))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("training", [True, False], ids=["training", "at rest"])
@pytest.mark.parametrize("options", [{}, {"activation": "gelu", "norm_first": True, "bias": False}], ids=str)
@pytest.mark.parametrize("make", [encoder, decoder, whole, attention])
def test_equals_pytorchs_and_is_by_hand(make, options, training, sequences):
    x, y = sequences
    results = []
    for nn in (ours, native):
        module = made(make, nn, training, **options)
        x_out = called(module, x, y)
        results.append(
            (repr(module), module.state_dict(), x_out, torch.autograd.grad(x_out.sin().sum(), module.parameters()))
        )
        if nn is ours:
            assert audit(x_out).fraction == 1
    assert results[0][0] == results[1][0]
    assert_close(*(found[1:] for found in results))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_causal_and_padding_masks(sequences):
    x, y = sequences
    padding = torch.arange(4) >= torch.tensor([4, 3, 2])[:, None]
    ahead = native.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    results = [
        called(made(whole, nn), x, y, tgt_mask=ahead, src_key_padding_mask=padding, memory_key_padding_mask=padding)
        for nn in (ours, native)
    ]
    assert_close(*results)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_pytorchs_layers_are_converted():
    layer = native.TransformerEncoderLayer(8, 2, 16)
    stack = ours.TransformerEncoder(layer, 2)
    assert type(layer) is native.TransformerEncoderLayer
    assert {type(m) for m in stack.layers} == {ours.TransformerEncoderLayer}
    assert audit(stack(torch.randn(3, 2, 8))).fraction == 1


def test_pytorchs_relu_as_activation_keeps_its_slope_at_0():
    layer = ours.TransformerEncoderLayer(4, 1, 3, dropout=0)
    with torch.no_grad():
        layer.linear1.weight.zero_()
        layer.linear1.bias.zero_()
    g = torch.autograd.grad(layer(torch.randn(2, 1, 4)).sin().sum(), layer.linear1.bias)[0]
    assert_close(g, torch.zeros(3))
