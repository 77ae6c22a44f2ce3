"""Checks of what comes out: x_out, L from both sides, and what L becomes when it is differentiated again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.testing import assert_close

from .case import Case, asks, outputs, there_and_back
from .words import wrong_words


def agrees_forward(case: Case) -> None:
    """x_out is PyTorch's, in those of three precisions that it has."""
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        try:
            expected = case.like(*case.draw(dtype=dtype))
        except RuntimeError as error:  # NotImplementedError is one, and PyTorch 2.7 raises the plain one
            if isinstance(error, NotImplementedError) or "not implemented for" in str(error):
                continue
            raise
        assert_close(case.ours(*case.draw(dtype=dtype)), expected)


def agrees_backward(case: Case) -> None:
    """g_in is PyTorch's."""
    assert_close(there_and_back(case.ours, case.draw()), there_and_back(case.like, case.draw()))


def gradients(case: Case) -> None:
    """L is what finite differences say, from the left, from the right, and for many g_out at once."""
    gradcheck(case.ours, case.draw(2), check_forward_ad=True, check_batched_grad=True)


def gradients_of_gradients(case: Case) -> None:
    """So is the L of the way back."""
    gradgradcheck(case.ours, case.draw(2), check_fwd_over_rev=True, check_batched_grad=True)


def forward_mode(case: Case) -> None:
    """L applied from the right, by dual numbers, is PyTorch's."""

    def tangents(f: Callable) -> list[Tensor]:
        with forward_ad.dual_level():
            inputs = (forward_ad.make_dual(t, t.cos()) if t is not None and asks(t) else t for t in case.draw())
            return [forward_ad.unpack_dual(t).tangent for t in outputs(f(*inputs))]

    assert_close(tangents(case.ours), tangents(case.like))


def words(case: Case) -> None:
    """Every nesting of forward and reverse mode, of length 1 to 3, in torch.func."""
    wrong = wrong_words(case.ours, case.composite or case.like, case.draw(2))
    assert not wrong, f"wrong in {', '.join(wrong)} (f forward, r reverse; the first letter is the outermost)"
