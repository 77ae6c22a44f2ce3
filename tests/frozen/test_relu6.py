"""relu6 in a frozen network: flat at 0 and below, at 6 and above, and one layer with the convolution before it."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import chapter14

pytestmark = pytest.mark.slow


def convolutions():
    torch.manual_seed(14)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.ReLU6(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 5, 1),
        nn.BatchNorm2d(5),
        nn.Hardtanh(0, 6),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 7),
        nn.ReLU6(),
    )
    nn.init.normal_(model[-2].weight, std=4)
    return model.eval()


def chains(frozen, x):
    graph = frozen.graph_for(x)
    return [part for part in graph._folded.parts if not isinstance(part, torch.fx.Node)]


@pytest.mark.parametrize("dtype, within", [(torch.float64, 1e-12), (torch.float32, 1e-4)], ids=str)
@pytest.mark.parametrize("batch", [1, 3])
def test_values_gradients_and_tangents(dtype, within, batch):
    model, x = convolutions().to(dtype), 9 * torch.randn(batch, 3, 32, 32, dtype=dtype)
    frozen, x = chapter14.freeze(model), x.requires_grad_()
    (run,) = chains(frozen, x)
    assert [type(layer).__name__ for layer in run.chain.layers if layer.most == 6][0] == "FrozenConvolution"
    y, ours = model(x), frozen(x)
    assert_close(ours, y, rtol=within, atol=within)
    assert (y == 6).any() and (y == 0).any() and ((y > 0) & (y < 6)).any()
    g = torch.randn_like(y)
    (expected,), (found,) = (torch.autograd.grad(out, x, g, retain_graph=True) for out in (y, ours))
    assert_close(found, expected, rtol=0, atol=within * expected.abs().max().item())
    assert expected.any() and chapter14.audit(ours).fraction == 1
    G = torch.randn(4, *y.shape, dtype=dtype)
    (expected,), (found,) = (
        torch.autograd.grad(out, x, G, retain_graph=True, is_grads_batched=batched)
        if (batched := out is ours)
        else (torch.stack([torch.autograd.grad(out, x, g, retain_graph=True)[0] for g in G]),)
        for out in (y, ours)
    )
    assert_close(found, expected, rtol=0, atol=within * expected.abs().max().item())
    v = torch.randn_like(x)
    tangents = [torch.func.jvp(f, (x.detach(),), (v,))[1] for f in (model, frozen)]
    assert_close(tangents[1], tangents[0], rtol=0, atol=within * tangents[0].abs().max().item())


@pytest.mark.parametrize("layer", [nn.Identity(), nn.Conv2d(1, 1, 1, bias=False)], ids=["alone", "convolution"])
def test_at_its_corners_and_where_x_is_no_number(layer):
    if isinstance(layer, nn.Conv2d):
        nn.init.ones_(layer.weight)
    model = nn.Sequential(layer, nn.ReLU6()).eval()
    values = [-math.inf, -1.0, -0.0, 0.0, 1e-30, 3.0, 5.9999995, 6.0, 6.0000005, math.inf, math.nan]
    x = torch.tensor(values).view(1, 1, 1, -1).requires_grad_()
    y, ours = model(x), chapter14.freeze(model)(x)
    assert torch.equal(ours.nan_to_num(-1), y.nan_to_num(-1))
    (expected,), (found,) = (torch.autograd.grad(out.sum(), x) for out in (y, ours))
    assert torch.equal(found, expected)
    assert expected.view(-1).tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1]


def test_in_bfloat16():
    model, x = convolutions(), 4 * torch.randn(2, 3, 32, 32)
    found = chapter14.freeze(model, precision=torch.bfloat16)(x.requires_grad_())
    assert found.dtype == torch.bfloat16 and found.max() <= 6
    assert_close(found.float(), model(x), rtol=0.1, atol=0.1)
    (g,), (expected,) = (torch.autograd.grad(out.float().sum(), x) for out in (found, model(x)))
    assert torch.cosine_similarity(g.flatten(), expected.flatten(), 0) > 0.95


def test_another_range_is_no_relu6():
    for other in (nn.Hardtanh(0, 5.9), nn.Hardtanh(-1, 6)):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), other).eval()
        x = 5 * torch.randn(1, 3, 8, 8, requires_grad=True)
        frozen = chapter14.freeze(model)
        assert_close(frozen(x), model(x))
        assert all(layer.most == math.inf for run in chains(frozen, x) for layer in run.chain.layers)


def test_a_bit_an_entry_is_saved():
    x = torch.randn(1, 8, 64, 64, requires_grad=True)
    saved = [
        chapter14.saved_bytes(chapter14.freeze(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), relu).eval()), x).total
        for relu in (nn.ReLU(), nn.ReLU6())
    ]
    assert saved[1] == saved[0] <= 8 * 64 * 64 / 8 + 64
