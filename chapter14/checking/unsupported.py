"""What a function does not support, and what that costs its users. A layer supports all; another function need not."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..conversion.audit import audit
from .case import (
    Case,
    NotApplicable,
    example_gradient,
    float_outputs,
    input_gradients,
    inputs_requiring_grad,
    outputs_requiring_grad,
)
from .raw_backward import functions_of
from .tangents import tangents


class NotSupported(Exception):
    """Raised by a check of what a function does not support; the message says what that costs."""


#: What PyTorch's error contains where a feature is missing, and what that costs.
MISSING = [
    ("must implement the jvp function", "it has no `jvp`, so forward mode raises (torch.func.jvp, jacfwd, hessian)"),
    ("Trying to use forward AD with", "forward mode raises (torch.func.jvp, jacfwd, hessian)"),
    (
        "must override the setup_context",
        "it has no `setup_context`, so torch.func raises (grad, vmap, jacrev, hessian)",
    ),
    ("does not have vmap support", "it has no rule for vmap (`generate_vmap_rule = True` makes one), so vmap raises"),
    (
        "Can't call numpy() on Tensor that requires grad",
        "its backward computes with numpy, so second derivatives raise",
    ),
]

#: Checks of what only some functions promise, and what a function lacks that fails one.
PROMISES = {
    "compiles": "torch.compile cannot trace it as one graph",
    "autocast_agrees": "under autocast it does otherwise than the reference",
    "empty_batch": "it does not take an empty batch as the reference does",
    "nan_inputs": "NaN among the inputs are elsewhere in the result than in the reference's",
    "integer_inputs": "it does not take integers as the reference does",
    "complex_inputs": "it is not for complex numbers, and gradients of them are wrong or raise",
    "wrong_shapes": "inputs whose shapes do not fit are not refused as the reference refuses them",
    "memory_needed_gradients_only": "it computes gradients that nobody asks for",
    "memory_at_most_native": "it saves more than it needs",
    "half_precision_accuracy": "in float16 or bfloat16 it is less accurate than the reference",
}


def missing_feature(error: object) -> str | None:
    """What a feature that is missing costs, where the error, or its text, is PyTorch's about one."""
    text = str(error)
    return next((cost for part, cost in MISSING if part in text), None)


def cost(check: str, error: Exception) -> str | None:
    """What it costs that a check fails which nobody promised to pass; None: it is an error of the function."""
    if feature := missing_feature(error):
        return feature
    if check in PROMISES:
        return f"{PROMISES[check]}: {in_one_line(error)}"
    return None


#: The length of an error in a report: gradcheck prints matrices.
LONGEST = 400


#: Code in these folders is not the author's of a layer.
OTHERS = tuple(str(folder) + os.sep for folder in (Path(__file__).parent.parent, Path(torch.__file__).parent))


def in_one_line(error: Exception) -> str:
    """The error, with its kind and its line where it is not of a check, and without what is too long to be read."""
    message = " ".join(str(error).split())
    message = message if len(message) <= LONGEST else f"{message[:LONGEST]} ..."
    return message if type(error) is AssertionError else f"{type(error).__name__}: {message}{_in_the_layer(error)}"


def _in_the_layer(error: Exception) -> str:
    """The last line of the layer's own code that the error came from, and what may be missing there."""
    called = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in called if not frame.filename.startswith((*OTHERS, "<"))]
    if not frames:
        return ""
    last = frames[-1]
    where = f" ({Path(last.filename).name}:{last.lineno}, in {last.name})"
    if "None" in str(error) and any(frame.name == "jvp" for frame in frames):
        where += "; `jvp` receives None for an input without a tangent"
    return where


def precision(case: Case) -> torch.dtype:
    """The dtype that it computes in: that of its output, which is float32 for some whose inputs are float64."""
    return min((t.dtype for t in float_outputs(case.ours(*case.draw(2)))), key=lambda d: d.itemsize, default=case.dtype)


def tolerances(case: Case) -> dict[str, Any]:
    """Of finite differences: coarse ones, for what is no layer and computes in float32; on a GPU, sums in any order."""
    coarse = not case.is_layer and precision(case) != torch.float64
    differs = {} if case.device == "cpu" else {"nondet_tol": 1e-2 if coarse else 1e-9}
    return differs | ({"eps": 1e-2, "atol": 1e-2, "rtol": 1e-2} if coarse else {})


def forward_mode(case: Case) -> bool:
    """Whether to check forward mode: of a layer always, of another function where it has one."""
    return case.is_layer or runs(lambda: tangents(case.ours, case.draw(2)))


def batched_backward(case: Case) -> bool:
    """Whether to check a batch of g_out: of a layer always, of another function where its backward pass takes one."""

    def run() -> None:
        inputs = case.draw(2)
        x_out = outputs_requiring_grad(case.ours, inputs)
        g_out = [torch.stack([example_gradient(t)] * 2) for t in x_out]
        input_gradients(x_out, inputs, g_out, is_grads_batched=True)

    return case.is_layer or runs(run)


def assert_second_order(case: Case) -> None:
    """Before a check of the second derivative of what is no layer.

    Raises:
        NotSupported: it raises, by itself or as `once_differentiable` lets it.
        NotApplicable: the backward pass reads x_out, whose gradient is no derivative on purpose.
    """
    inputs = case.draw(2)
    input_gradients(outputs_requiring_grad(case.ours, inputs), inputs)  # what raises here is no matter of second order
    x_out = outputs_requiring_grad(case.ours, inputs)
    g_out = [example_gradient(t).requires_grad_() for t in x_out]
    try:
        g_in = [g for g in input_gradients(x_out, inputs, g_out, create_graph=True) if g.grad_fn is not None]
        once = any(node.endswith("Error") for node in audit(g_in).native) if g_in else False
        if g_in and not once:
            torch.autograd.grad(g_in, [*inputs_requiring_grad(inputs), *g_out], g_in, allow_unused=True)
    except Exception as error:
        raise NotSupported(missing_feature(error) or f"second derivatives raise: {in_one_line(error)}") from error
    if once:
        raise NotSupported("it is once_differentiable, so second derivatives raise, or are zero")
    if case.on_purpose and {*functions_of(x_out)} & {*functions_of(g_in)}:
        raise NotApplicable(f"its backward reads x_out, whose gradient is no derivative on purpose: {case.on_purpose}")


def runs(run: Callable[[], Any]) -> bool:
    """Whether it raises nothing."""
    try:
        run()
    except Exception:
        return False
    return True
