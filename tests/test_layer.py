"""The base of every layer, by its first example."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from chapter14.layers.linear import linear
from chapter14.shape import ShapeError


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_linear_is_right_at_first_and_second_order_in_both_directions():
    inputs = draw(3, 4), draw(5, 4), draw(5)
    assert gradcheck(linear, inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(linear, inputs, check_fwd_over_rev=True)


def test_an_error_repeats_the_call():
    with pytest.raises(
        ShapeError, match=r"W does not fit. It expects x \[..., N\], W \[M, N\]; it was given x \[3, 4\]"
    ):
        linear(draw(3, 4), draw(5, 6))
