"""The jacobian of a chain is the product of its layers' L, and torch.func.jacrev's of the same network."""

import pytest
import torch
from torch.testing import assert_close

import chapter14
import chapter14.functional as F
import chapter14.nn as nn
from chapter14.graph.block import Block
from chapter14.layer.shape import ShapeError

TINY, LARGE = (4, 3, 5, 2), (120, 100, 90, 7)


def network(sizes, act=torch.nn.ReLU, last=False, first=False, bias=True):
    torch.manual_seed(14)
    layers = [act()] if first else []
    for N, M in zip(sizes, sizes[1:], strict=False):
        layers += [torch.nn.Linear(N, M, bias=bias, dtype=torch.float64), act()]
    return torch.nn.Sequential(*layers if last else layers[:-1])


@pytest.mark.parametrize("sizes", [TINY[:2], TINY[:3], TINY, LARGE, LARGE[::-1]], ids=str)
@pytest.mark.parametrize("act", ["ReLU", "Tanh", "GELU", "Sigmoid", "SiLU"])
@pytest.mark.parametrize("how", [{}, {"last": True}, {"first": True, "bias": False}], ids=str)
def test_equals_jacrev(sizes, act, how):
    model = network(sizes, getattr(torch.nn, act), **how)
    chain = chapter14.Chain.from_module(model, F.l2_loss)
    for _ in range(3):
        x = torch.randn(sizes[0], dtype=torch.float64)
        (L,) = chapter14.jacobian(chain, x)
        assert_close(L, torch.func.jacrev(model)(x).detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("sizes", [TINY, LARGE], ids=str)
def test_zero_where_every_relu_is_inactive(sizes):
    model = network(sizes)
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.fill_(-1)
    (L,) = chapter14.jacobian(chapter14.Chain.from_module(model, F.l2_loss), torch.randn(sizes[0]).double())
    assert_close(L, torch.zeros(sizes[-1], sizes[0], dtype=torch.float64))


@pytest.mark.parametrize("at_zero", [0, 1])
def test_slope_of_relu_at_zero(at_zero):
    of = nn if at_zero else torch.nn
    chain = chapter14.Chain.from_module(torch.nn.Sequential(of.ReLU()), F.l2_loss)
    assert_close(chapter14.jacobian(chain, torch.tensor([-1.0, 0, 1]))[0], torch.diag(torch.tensor([0.0, at_zero, 1])))


def test_result_is_a_copy_and_passes_are_unchanged():
    model = network(TINY)
    chain, x = chapter14.Chain.from_module(model, F.l2_loss), torch.randn(4, dtype=torch.float64)
    chain.forward(x, torch.zeros(2, dtype=torch.float64))
    whole = [g.clone() for layer in chain.backward() for g in layer]
    chain.forward(x, torch.zeros(2, dtype=torch.float64))
    chain.jacobian(torch.randn(4, dtype=torch.float64))
    assert_close([g for layer in chain.backward() for g in layer], whole)
    one = chapter14.Chain.from_module(network(TINY[:2]), F.l2_loss)
    before = one.layers[0].W.clone()
    one.jacobian(x)[0].zero_()
    assert_close(one.layers[0].W, before)


def test_unsupported_calls():
    chain = chapter14.Chain.from_module(network(TINY), F.l2_loss)
    with pytest.raises(ShapeError, match="x0 does not fit. It expects x0 \\[N\\]; it was given x0 \\[2, 4\\]"):
        chapter14.jacobian(chain, torch.randn(2, 4))
    with pytest.raises(ShapeError, match="linear: W does not fit|linear: x does not fit"):
        chapter14.jacobian(chain, torch.randn(5).double())
    with pytest.raises(
        TypeError, match="for linear and pointwise layers; this chain has Block\\(l2_normalize\\)|LayerNorm"
    ):
        chapter14.jacobian(chapter14.Chain([nn.LayerNorm(4), Block(F.relu)], F.l2_loss), torch.randn(4))
