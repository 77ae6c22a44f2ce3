"""Sums, differences and products of a tensor and a number, in either order, as torch takes them."""

import pytest
import torch

import chapter14
import chapter14.functional as F


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
@pytest.mark.parametrize("number", [3, -0.5])
def test_a_number_may_be_first(name, number):
    ours, native = getattr(F, name), getattr(torch, name)
    x = torch.randn(4, requires_grad=True)
    assert torch.equal(ours(number, x), native(number, x))
    assert chapter14.audit(ours(number, x)).fraction == 1
    (g,) = torch.autograd.grad(ours(number, x).square().sum(), x)
    assert torch.equal(g, *torch.autograd.grad(native(number, x).square().sum(), x))
