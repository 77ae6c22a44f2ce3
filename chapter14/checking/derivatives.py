"""Checks of values: x_out, L in reverse and forward mode, and derivatives of higher order."""

from __future__ import annotations

import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from .case import Case, forward_and_backward
from .diagnosis import diagnosed
from .mixed_mode_orders import wrong_orders
from .raw_backward import Misfits, misfits_of_raw_gradients
from .tangents import diagnosed_tangents, tangents
from .unsupported import (
    NotSupported,
    assert_second_order,
    batched_backward,
    forward_mode,
    missing_feature,
    precision,
    runs,
    tolerances,
)


def forward_agrees(case: Case) -> None:
    """x_out equals PyTorch's in float64, float32 and bfloat16, except where PyTorch does not support the dtype.

    Another function may round more often in bfloat16 than its reference: `half_precision_accuracy` compares that.
    """
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        if dtype == torch.float64 != case.dtype:
            continue
        try:
            expected = case.reference(*case.draw(dtype=dtype))
        except (NotImplementedError, RuntimeError) as error:
            if isinstance(error, NotImplementedError) or (not case.is_layer and dtype != case.dtype):
                continue
            raise
        if case.is_layer or dtype != torch.bfloat16:
            assert_close(
                case.ours(*case.draw(dtype=dtype)), expected, msg=lambda difference: f"x_out is wrong: {difference}"
            )


#: PyTorch's fault, of every Function that has a jvp (pytorch#197867); a layer works around it.
NESTED_FORWARD = "forward mode inside forward mode is wrong, silently, of every Function of PyTorch's (pytorch#197867)"


def raw_gradients(case: Case) -> None:
    """`backward` returns one gradient for each input, with its shape, dtype and device.

    Autograd sums a gradient that is too large and casts one of another dtype, so only what `backward` itself returns
    shows that. Tried in float64, and in float32 and bfloat16 where the forward pass takes them.
    """
    with diagnosed(case):
        _assert_fit(case, case.dtype, misfits_of_raw_gradients(case, case.dtype))
    for dtype in (torch.float32, torch.bfloat16):
        if dtype != case.dtype and _takes(case, dtype):
            _assert_fit(case, dtype, misfits_of_raw_gradients(case, dtype))


def _takes(case: Case, dtype: torch.dtype) -> bool:
    """Whether it has a forward pass in a dtype; of what is no layer, a backward pass too."""
    inputs = case.draw(dtype=dtype)
    return runs(lambda: case.ours(*inputs) if case.is_layer else forward_and_backward(case.ours, inputs))


def _assert_fit(case: Case, dtype: torch.dtype, wrong: Misfits) -> None:
    """Of what is no layer, another dtype is wrong only where precision is lost: not in bfloat16, or if x_out has it."""
    lost = case.is_layer or (dtype != torch.bfloat16 and precision(case) == dtype)
    assert not (wrong.shapes or (wrong.dtypes and lost)), "; ".join([*wrong.shapes, *wrong.dtypes])
    if wrong.dtypes:
        raise NotSupported(
            f"it does not return gradients in {dtype}, so autograd casts them: {'; '.join(wrong.dtypes)}"
        )


def backward_agrees(case: Case) -> None:
    """g_in equals PyTorch's."""
    case.assert_derivative()
    with diagnosed(case):
        assert_close(forward_and_backward(case.ours, case.draw()), forward_and_backward(case.reference, case.draw()))


def finite_differences(case: Case) -> None:
    """L agrees with finite differences in reverse mode, for a batch of g_out, and in forward mode."""
    case.assert_derivative()
    with diagnosed(case):
        gradcheck(case.ours, case.draw(2), check_batched_grad=batched_backward(case), **tolerances(case))
    if forward_mode(case):
        with diagnosed_tangents(case):
            gradcheck(
                case.ours,
                case.draw(2),
                check_backward_ad=False,
                check_forward_ad=True,
                check_undefined_grad=False,
                **tolerances(case),
            )


def finite_differences_second_order(case: Case) -> None:
    """The derivative of the backward pass agrees with finite differences."""
    if not case.is_layer:
        assert_second_order(case)
    with diagnosed(case, order=2):
        gradgradcheck(
            case.ours,
            case.draw(2),
            check_fwd_over_rev=forward_mode(case),
            check_batched_grad=batched_backward(case),
            **tolerances(case),
        )


def forward_mode_agrees(case: Case) -> None:
    """The tangent of x_out, computed with dual numbers, equals PyTorch's."""
    ours = tangents(case.ours, case.draw())
    case.assert_derivative()
    with diagnosed_tangents(case):
        assert_close(ours, tangents(case.reference, case.draw()))


def mixed_mode_orders(case: Case) -> None:
    """Every nesting of forward and reverse mode of length 1 to 3 is right, in torch.func."""
    case.assert_derivative()
    rtol = 1e-8 if case.is_layer or precision(case) == torch.float64 else 1e-2
    wrong = wrong_orders(case.ours, case.composite or case.reference, case.draw(2), rtol)
    unsupported = [] if case.is_layer else [order for order in wrong if missing_feature(order) or order.count("f") > 1]
    wrong = [order for order in wrong if order not in unsupported]
    assert not wrong, f"wrong in {', '.join(wrong)} (f forward, r reverse; the first letter is the outermost)"
    if unsupported:
        raise NotSupported(missing_feature(unsupported[0]) or NESTED_FORWARD)
