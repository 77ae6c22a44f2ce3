"""Checks of memory: how much is saved, and that nothing saved or passed in is overwritten."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.testing import assert_close

from ..conversion.audit import saved_bytes
from ..layer.node import layer_of
from .case import (
    Case,
    example_gradient,
    float_outputs,
    input_gradients,
    inputs_requiring_grad,
    outputs_requiring_grad,
    requires_grad,
)


def memory_not_overwritten(case: Case) -> None:
    """A second backward pass through the same graph gives the same g_in: no saved tensor is overwritten."""
    inputs = case.draw()
    x_out = outputs_requiring_grad(case.ours, inputs)
    first, second = (input_gradients(x_out, inputs, retain_graph=True) for _ in range(2))
    assert_close(first, second, rtol=0, atol=0)


def inputs_not_overwritten(case: Case) -> None:
    """Neither the inputs nor g_out are written into."""
    inputs, before = case.draw(), case.draw()
    x_out = outputs_requiring_grad(case.ours, inputs)
    g_out = [example_gradient(t) for t in x_out]
    input_gradients(x_out, inputs, g_out)
    assert_close(inputs_requiring_grad(inputs), inputs_requiring_grad(before), rtol=0, atol=0)
    assert_close(g_out, [example_gradient(t) for t in x_out], rtol=0, atol=0)


def memory_needed_gradients_only(case: Case) -> None:
    """No gradient is computed for an input that requires none."""
    for i, inputs in _requiring_one_gradient(case):
        x_out = float_outputs(case.ours(*inputs))
        node = next((t.grad_fn for t in x_out if t.requires_grad), None)
        if node is not None and layer_of(node):
            gs = node.apply(*[torch.ones_like(t) for t in x_out])  # type: ignore[attr-defined]
            made = sum(g is not None for g in (gs if isinstance(gs, tuple) else (gs,)))
            used = sum(before is not None for before, _ in node.next_functions)
            assert made <= used, f"only input {i} requires a gradient; {made} are computed, and {used} are used"


def memory_at_most_native(case: Case) -> None:
    """Whichever one input requires a gradient, no more bytes are saved than by PyTorch."""
    for i, inputs in _requiring_one_gradient(case, n=8):
        ours, native = (saved_bytes(f, *inputs).total for f in (case.ours, case.reference))
        assert ours <= native, f"where only input {i} requires a gradient, {ours} bytes are saved; PyTorch: {native}"


def _requiring_one_gradient(case: Case, n: int = 3) -> Iterator[tuple[int, tuple]]:
    for i, t in enumerate(case.draw(n)):
        if requires_grad(t):
            yield i, tuple(s.detach() if requires_grad(s) and j != i else s for j, s in enumerate(case.draw(n)))
