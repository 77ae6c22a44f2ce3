"""Checks of what goes in: however it lies in memory, empty, NaN, of whole numbers, of the wrong shape."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import grad
from torch.testing import assert_close

from .case import Case, DoesNotApply, asks, outputs, there_and_back, wanted


def strides(case: Case) -> None:
    """How inputs and g_out lie in memory makes no difference."""
    straight = there_and_back(case.ours, case.draw())
    apart = tuple(_apart(t) if asks(t) and t.ndim else t for t in case.draw())
    assert_close(there_and_back(case.ours, apart), straight)
    inputs = case.draw()
    x_out = [t for t in outputs(case.ours(*inputs)) if t.requires_grad]
    ones = [torch.ones_like(t) for t in x_out]
    spread = [torch.ones((), dtype=t.dtype).expand(t.shape) for t in x_out]
    by_ones, by_spread = (grad(x_out, wanted(inputs), g, retain_graph=True, allow_unused=True) for g in (ones, spread))
    assert_close([g for g in by_spread if g is not None], [g for g in by_ones if g is not None])


def _apart(t: Tensor) -> Tensor:
    return t.detach().repeat_interleave(2, -1)[..., ::2].requires_grad_()


def empty_batch(case: Case) -> None:
    """A batch of none is a batch."""
    try:
        expected = there_and_back(case.like, case.draw(n=0))
    except Exception as error:
        raise DoesNotApply("PyTorch does not take an empty batch") from error
    assert_close(there_and_back(case.ours, case.draw(n=0)), expected, equal_nan=True)


def not_a_number(case: Case) -> None:
    """A NaN goes as far as PyTorch lets it, both ways."""
    for i, t in enumerate(case.draw()):
        if asks(t) and t.numel():
            ours, native = (there_and_back(f, _with_nan(case.draw(), i)) for f in (case.ours, case.like))
            assert_close(ours, native, equal_nan=True)


def _with_nan(inputs: tuple, i: int) -> tuple:
    t = inputs[i].detach().clone()
    t.view(-1)[0] = torch.nan
    return (*inputs[:i], t.requires_grad_(), *inputs[i + 1 :])


def whole_numbers(case: Case) -> None:
    """Integers are taken where PyTorch takes them, and refused where it refuses them."""
    inputs = [(t.detach() * 3).long() if asks(t) else t for t in case.draw()]
    _accepts_alike(case, inputs)


def wrong_shapes(case: Case) -> None:
    """Inputs that do not fit are refused where PyTorch refuses them."""
    for i, t in enumerate(case.draw()):
        if asks(t) and t.ndim:
            inputs = list(case.draw())
            for wrong in (t.detach()[..., :-1], t.detach()[0], t.detach()[None]):
                _accepts_alike(case, [*inputs[:i], wrong, *inputs[i + 1 :]])


def _accepts_alike(case: Case, inputs: list) -> None:
    given = ", ".join(f"{list(t.shape)} {t.dtype}" for t in inputs if isinstance(t, Tensor))
    results: list[Any] = []
    for f in (case.ours, case.like):
        try:
            results.append(_results(f(*inputs)))
        except Exception as error:
            results.append(error)
    ours, native = results
    if isinstance(native, Exception):
        assert isinstance(ours, Exception), f"given {given}, PyTorch raises {type(native).__name__}, and this does not"
        assert not isinstance(ours, (AttributeError, AssertionError)), f"given {given}, it breaks: {ours!r}"
    elif isinstance(ours, Exception):
        raise AssertionError(f"given {given}, PyTorch does it, and this raises {ours!r}")
    else:
        assert_close(ours, native, equal_nan=True)


def _results(x_out: Any) -> list[Tensor]:
    return list(x_out) if isinstance(x_out, (tuple, list)) else [x_out]
