"""Checks of what is remembered: as little as L needs, and nothing of it, or of anybody else's, written over."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.autograd import grad
from torch.testing import assert_close

from ..conversion.audit import saved_bytes
from ..layer.base import layer_of
from .case import Case, a_gradient, asks, outputs, wanted


def remembers(case: Case) -> None:
    """Going back twice is going back the same way: what is remembered is not written over."""
    inputs = case.draw()
    x_out = [t for t in outputs(case.ours(*inputs)) if t.requires_grad]
    g_out = [a_gradient(t) for t in x_out]
    once, twice = (grad(x_out, wanted(inputs), g_out, retain_graph=True, allow_unused=True) for _ in range(2))
    assert_close([g for g in once if g is not None], [g for g in twice if g is not None], rtol=0, atol=0)


def writes_nothing(case: Case) -> None:
    """Inputs and g_out are somebody else's: neither is written into."""
    inputs, before = case.draw(), case.draw()
    x_out = [t for t in outputs(case.ours(*inputs)) if t.requires_grad]
    g_out = [a_gradient(t) for t in x_out]
    grad(x_out, wanted(inputs), g_out, allow_unused=True)
    assert_close(wanted(inputs), wanted(before), rtol=0, atol=0)
    assert_close(g_out, [a_gradient(t) for t in x_out], rtol=0, atol=0)


def thrifty(case: Case) -> None:
    """An input that wants no gradient costs none: no gradient is made for it."""
    for i, inputs in _one_wanted(case):
        x_out = next((t for t in outputs(case.ours(*inputs)) if t.requires_grad), None)
        if x_out is not None and layer_of(x_out.grad_fn):
            gs = x_out.grad_fn.apply(  # type: ignore[union-attr]
                *[torch.ones_like(t) for t in outputs(case.ours(*inputs))]
            )
            made = sum(g is not None for g in (gs if isinstance(gs, tuple) else (gs,)))
            used = sum(before is not None for before, _ in x_out.grad_fn.next_functions)  # type: ignore[union-attr]
            assert made <= used, f"only input {i} wants a gradient; {made} are made, and {used} are used"


def lean(case: Case) -> None:
    """It remembers no more than PyTorch does, whichever one input wants a gradient."""
    for i, inputs in _one_wanted(case, n=8):
        ours, native = (saved_bytes(f, *inputs).total for f in (case.ours, case.like))
        assert ours <= native, (
            f"where only input {i} wants a gradient, {ours} bytes are remembered; PyTorch's: {native}"
        )


def _one_wanted(case: Case, n: int = 3) -> Iterator[tuple[int, tuple]]:
    for i, t in enumerate(case.draw(n)):
        if asks(t):
            yield i, tuple(s.detach() if asks(s) and j != i else s for j, s in enumerate(case.draw(n)))
