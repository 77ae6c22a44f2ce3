"""Checks of unusual inputs: memory layouts, empty batches, NaN, integers, wrong shapes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from .case import (
    Case,
    NotApplicable,
    example_gradient,
    forward_and_backward,
    input_gradients,
    outputs_requiring_grad,
    requires_grad,
)


def memory_layouts(case: Case) -> None:
    """The results do not depend on the strides of the inputs and of g_out."""
    contiguous = forward_and_backward(case.ours, case.draw())
    strided = tuple(_strided(t) if requires_grad(t) and t.ndim else t for t in case.draw())
    assert_close(forward_and_backward(case.ours, strided), contiguous)
    for in_memory in (_expanded, _transposed):
        inputs = case.draw()
        x_out = outputs_requiring_grad(case.ours, inputs)
        g = [in_memory(t) for t in x_out]
        expected = input_gradients(outputs_requiring_grad(case.ours, inputs), inputs, [t.contiguous() for t in g])
        assert_close(input_gradients(x_out, inputs, g), expected)


def _expanded(x_out: Tensor) -> Tensor:
    """A g_out that is one number in memory."""
    return torch.ones((), dtype=x_out.dtype, device=x_out.device).expand(x_out.shape)


def _transposed(x_out: Tensor) -> Tensor:
    """A g_out with its axes in reverse order in memory."""
    reverse = tuple(reversed(range(x_out.ndim)))
    return example_gradient(x_out).permute(reverse).contiguous().permute(reverse)


def _strided(t: Tensor) -> Tensor:
    return t.detach().repeat_interleave(2, -1)[..., ::2].requires_grad_()


def empty_batch(case: Case) -> None:
    """A batch of no datapoints gives what PyTorch gives."""
    try:
        expected = forward_and_backward(case.reference, case.draw(n=0))
    except Exception as error:
        raise NotApplicable("PyTorch does not take an empty batch") from error
    assert_close(forward_and_backward(case.ours, case.draw(n=0)), expected, equal_nan=True)


def nan_inputs(case: Case) -> None:
    """A NaN among the inputs gives NaN in the same entries of x_out and g_in as in PyTorch."""
    for i, t in enumerate(case.draw()):
        if requires_grad(t) and t.numel():
            ours, native = (forward_and_backward(f, _with_nan(case.draw(), i)) for f in (case.ours, case.reference))
            assert_close(ours, native, equal_nan=True)


def _with_nan(inputs: tuple, i: int) -> tuple:
    t = inputs[i].detach().clone()
    t.view(-1)[0] = torch.nan
    return (*inputs[:i], t.requires_grad_(), *inputs[i + 1 :])


def integer_inputs(case: Case) -> None:
    """Integer inputs are accepted where PyTorch accepts them, and raise where PyTorch raises."""
    inputs = [(t.detach() * 3).long() if requires_grad(t) else t for t in case.draw()]
    _assert_accepts_alike(case, inputs)


def wrong_shapes(case: Case) -> None:
    """Inputs whose shapes do not fit raise where PyTorch raises."""
    for i, t in enumerate(case.draw()):
        if requires_grad(t) and t.ndim:
            inputs = list(case.draw())
            for wrong in (t.detach()[..., :-1], t.detach()[0], t.detach()[None]):
                _assert_accepts_alike(case, [*inputs[:i], wrong, *inputs[i + 1 :]])


def _assert_accepts_alike(case: Case, inputs: list) -> None:
    given = ", ".join(f"{list(t.shape)} {t.dtype}" for t in inputs if isinstance(t, Tensor))
    results: list[Any] = []
    for f in (case.ours, case.reference):
        try:
            x_out = f(*inputs)
            results.append(list(x_out) if isinstance(x_out, (tuple, list)) else [x_out])
        except Exception as error:
            results.append(error)
    ours, native = results
    if isinstance(native, Exception):
        assert isinstance(ours, Exception), f"given {given}, PyTorch raises {type(native).__name__}, but not this layer"
        assert not isinstance(ours, (AttributeError, AssertionError)), f"given {given}, an internal error: {ours!r}"
    elif isinstance(ours, Exception):
        raise AssertionError(f"given {given}, PyTorch computes a result; this layer raises {ours!r}")
    else:
        assert_close(ours, native, equal_nan=True)
