"""Checks of memory: how much is saved, and that nothing saved or passed in is overwritten."""

from __future__ import annotations

from collections.abc import Iterator

from torch.testing import assert_close

from ..conversion.audit import saved_bytes
from .case import Case, example_gradient, input_gradients, inputs_requiring_grad, outputs_requiring_grad, requires_grad
from .raw_backward import functions_of, recorded

#: What a layer, or a Function, asks which gradients are needed.
ASKS = {True: "needs", False: "ctx.needs_input_grad"}


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
    for name, inputs in _requiring_one_gradient(case):
        x_out = outputs_requiring_grad(case.ours, inputs)
        with recorded(functions_of(x_out)) as calls:
            for create_graph in (False, True) if case.is_layer else (False,):  # others have one backward pass for both
                input_gradients(x_out, inputs, create_graph=create_graph, retain_graph=True)
        for call in calls:
            made, used = sum(g is not None for g in call.returned), len(call.inputs)
            assert made <= used, (
                f"where only {name} requires a gradient, {made} are computed, and {used} used. `{ASKS[case.is_layer]}` "
                "has True for each input that needs one: `backward` returns None for the others"
            )


def memory_at_most_native(case: Case) -> None:
    """Whichever one input requires a gradient, no more bytes are saved than by PyTorch."""
    native = case.native or case.reference
    for name, inputs in _requiring_one_gradient(case, n=8):
        ours, theirs = (saved_bytes(f, *inputs).total for f in (case.ours, native))
        assert ours <= theirs, (
            f"where only {name} requires a gradient, {ours} bytes are saved; PyTorch: {theirs}. "
            f"`{ASKS[case.is_layer]}` has True for each input that needs one: only what their gradients are computed "
            "from is to be saved"
        )


def _requiring_one_gradient(case: Case, n: int = 3) -> Iterator[tuple[str, tuple]]:
    """For each input that requires a gradient, its name, and the inputs, of which only that one requires one."""
    for i, t in enumerate(case.draw(n)):
        if requires_grad(t):
            inputs = tuple(s.detach() if requires_grad(s) and j != i else s for j, s in enumerate(case.draw(n)))
            yield case.names_of(inputs)[i], inputs
