"""Products large enough for oneDNN, in each layout, beside the same in float64."""

import pytest
import torch
from torch.testing import assert_close

from chapter14 import nn as ours
from chapter14.layers.core.product import mm, repeated


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(14))


LAYOUTS = {
    "contiguous": lambda x: x.contiguous(),
    "transposed": lambda x: x.t().contiguous().t(),
    "every other row": lambda x: x.repeat_interleave(2, 0)[::2],
    "expanded": lambda x: x[:1].expand(x.shape),
}


@pytest.mark.parametrize("b", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("a", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("sizes", [(64, 300, 80), (2048, 3, 257)], ids=str)
def test_mm(a, b, sizes):
    M, K, N = sizes
    a, b = a(draw(M, K)), b(draw(K, N))
    found = mm(a, b)
    assert found.is_contiguous()
    assert_close(found.double(), a.double() @ b.double(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("b", [None, draw(300)], ids=["no bias", "bias"])
@pytest.mark.parametrize("W", [draw(300, 128), draw(128, 300).t()], ids=["contiguous", "transposed"])
def test_repeated(W, b):
    by_W = repeated(W, b, 32, 64)
    for x in (draw(32, 128), draw(128, 32).t()):
        expected = x.double() @ W.double().t() + (0 if b is None else b.double())
        assert_close(by_W(x).double(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_network_of_usual_size(kind):
    torch.manual_seed(14)
    a = getattr(torch.nn, kind)(128, 256, num_layers=2, bidirectional=True)
    b = getattr(ours, kind)(128, 256, num_layers=2, bidirectional=True)
    b.load_state_dict(a.state_dict())
    a.double()
    x, g = draw(16, 8, 128), draw(16, 8, 512)
    expected = torch.autograd.grad(a(x.double())[0], list(a.parameters()), g.double())
    found = torch.autograd.grad(b(x)[0], list(b.parameters()), g)
    for t, e in zip(found, expected, strict=True):
        assert_close(t.double(), e, rtol=0, atol=1e-5 * e.abs().max().item())
