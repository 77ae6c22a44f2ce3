"""Activations in the place of their input, and by hand."""

import pytest
import torch
from torch.nn import functional as native
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.conversion.by_hand import by_hand

IN_PLACE = [
    "relu",
    "relu6",
    "hardtanh",
    "leaky_relu",
    "hardsigmoid",
    "hardswish",
    "silu",
    "mish",
    "elu",
    "celu",
    "selu",
]


@pytest.mark.parametrize("name", IN_PLACE)
def test_inplace_overwrites_the_input_and_has_the_same_gradient(name):
    results = []
    for functional in (F, native):
        x = torch.linspace(-4, 7, 12, dtype=torch.float64, requires_grad=True)
        y = x * 1
        x_out = getattr(functional, name)(y, inplace=True)
        assert x_out.data_ptr() == y.data_ptr() and torch.equal(x_out, y)
        results.append(torch.autograd.grad(x_out.square().sum(), x)[0])
    assert_close(*results)
    with torch.no_grad():
        y = torch.randn(3)
        assert getattr(F, name)(y, inplace=True) is y


@pytest.mark.parametrize("name", ["relu", "silu"])
def test_inplace_in_torch_func_and_torch_compile(name):
    def J(x, functional=F):
        return getattr(functional, name)(F.mul(x, 1.0), inplace=True).square().sum()

    torch._dynamo.reset()
    x = torch.linspace(-2, 3, 6, dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(J(x, native), x)[0]
    assert_close(torch.func.grad(J)(x.detach()), expected)
    assert_close(torch.autograd.grad(torch.compile(J, backend="aot_eager", fullgraph=True)(x), x)[0], expected)


@pytest.mark.parametrize("call", [torch.relu, torch.Tensor.relu, native.relu, torch.relu_, native.relu_])
def test_by_hand_relu_has_pytorchs_gradient_at_zero(call):
    x = torch.zeros(2, requires_grad=True)
    y = F.mul(x, 1)
    with by_hand(strict=True):
        x_out = call(y)
    assert torch.autograd.grad(x_out.sum(), x)[0].tolist() == [0, 0]


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "celu", "selu", "rrelu"])
def test_by_hand_in_place(name):
    results = []
    for mode in (by_hand(strict=True), torch.enable_grad()):
        x = torch.linspace(-2, 3, 6, dtype=torch.float64, requires_grad=True)
        y = F.mul(x, 1)
        with mode:
            getattr(torch, name + "_")(y)
        results += [torch.autograd.grad(y.square().sum(), x)[0]]
    assert_close(*results)
