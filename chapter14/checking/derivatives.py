"""Checks of values: x_out, L in reverse and forward mode, and derivatives of higher order."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.testing import assert_close

from .case import Case, float_outputs, forward_and_backward, requires_grad
from .diagnosis import diagnosed
from .mixed_mode_orders import wrong_orders


def forward_agrees(case: Case) -> None:
    """x_out equals PyTorch's in float64, float32 and bfloat16, except where PyTorch does not support the dtype."""
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        try:
            expected = case.reference(*case.draw(dtype=dtype))
        except NotImplementedError:
            continue
        assert_close(case.ours(*case.draw(dtype=dtype)), expected)


def backward_agrees(case: Case) -> None:
    """g_in equals PyTorch's."""
    with diagnosed(case):
        assert_close(forward_and_backward(case.ours, case.draw()), forward_and_backward(case.reference, case.draw()))


def finite_differences(case: Case) -> None:
    """L agrees with finite differences in reverse mode, in forward mode, and for a batch of g_out."""
    with diagnosed(case):
        gradcheck(case.ours, case.draw(2), check_forward_ad=True, check_batched_grad=True)


def finite_differences_second_order(case: Case) -> None:
    """The derivative of the backward pass agrees with finite differences."""
    with diagnosed(case, order=2):
        gradgradcheck(case.ours, case.draw(2), check_fwd_over_rev=True, check_batched_grad=True)


def forward_mode_agrees(case: Case) -> None:
    """The tangent of x_out, computed with dual numbers, equals PyTorch's."""

    def tangents(f: Callable) -> list[Tensor]:
        with forward_ad.dual_level():
            inputs = (forward_ad.make_dual(t, t.cos()) if requires_grad(t) else t for t in case.draw())
            return [forward_ad.unpack_dual(t).tangent for t in float_outputs(f(*inputs))]

    assert_close(tangents(case.ours), tangents(case.reference))


def mixed_mode_orders(case: Case) -> None:
    """Every nesting of forward and reverse mode of length 1 to 3 is right, in torch.func."""
    wrong = wrong_orders(case.ours, case.composite or case.reference, case.draw(2))
    assert not wrong, f"wrong in {', '.join(wrong)} (f forward, r reverse; the first letter is the outermost)"
