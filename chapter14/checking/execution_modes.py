"""Checks of how PyTorch can run a layer: double backward, vmap, compile, autocast, as a module, on a GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import vmap
from torch.testing import assert_close

from ..conversion.audit import audit
from .case import (
    Case,
    NotApplicable,
    example_gradient,
    float_outputs,
    forward_and_backward,
    input_gradients,
    inputs_requiring_grad,
    outputs_requiring_grad,
    requires_grad,
    seed_cpu,
)


def backward_uses_layers_only(case: Case) -> None:
    """The backward pass is made of layers only, and so is the backward pass of the backward pass (section 14.6.5)."""
    if not case.is_layer:
        raise NotApplicable("it is not made of layers")
    inputs = case.draw()
    g_in = _with_graph(outputs_requiring_grad(case.ours, inputs), inputs)
    _assert_made_of_layers(g_in)
    if g_in := [g for g in g_in if g.requires_grad]:
        # x is an input of its layer and of those of the backward pass, and autograd adds their gradients (14.46).
        _assert_made_of_layers(_with_graph(g_in, inputs), "AddBackward0")


def _with_graph(x_out: list[Tensor], inputs: tuple) -> list[Tensor]:
    return input_gradients(x_out, inputs, [example_gradient(t).requires_grad_() for t in x_out], create_graph=True)


def _assert_made_of_layers(tensors: list[Tensor], *allowed: str) -> None:
    if tensors := [t for t in tensors if t.grad_fn is not None]:
        native = sorted(audit(tensors).native.keys() - {*allowed})
        assert not native, (
            f"the backward pass uses native operations: {', '.join(native)}. Their counterparts are in "
            "chapter14.functional: 1 - s is sub(1, s)"
        )


def backward_once_agrees(case: Case) -> None:
    """`backward_once`, which runs where no graph is kept, computes the same g_in as `backward`."""
    g_in = []
    for create_graph in (False, True):
        inputs = case.draw()
        gs = input_gradients(outputs_requiring_grad(case.ours, inputs), inputs, create_graph=create_graph)
        g_in.append([g.detach() for g in gs])
    assert_close(*g_in)


def per_datapoint_gradients(case: Case) -> None:
    """The gradients of single datapoints, by vmap, add up to the gradient of the batch (14.11)."""
    inputs, dims = case.draw(), case.in_dims
    which = tuple(i for i, t in enumerate(inputs) if requires_grad(t))
    if all(dims[i] is None for i in which):
        raise NotApplicable("there is no batch")

    def J(f: Callable) -> Callable:
        return lambda *inputs: sum(t.square().sum() for t in float_outputs(f(*inputs)))

    per_datapoint = vmap(torch.func.grad(J(case.ours), which), dims)(*inputs)
    reference = case.reference if case.native else case.ours
    batch = torch.autograd.grad(J(reference)(*inputs), inputs_requiring_grad(inputs))
    for i, g, expected in zip(which, per_datapoint, batch, strict=True):
        assert_close(g.sum(0) if dims[i] is None else g.movedim(0, dims[i]), expected)


def compiles(case: Case) -> None:
    """torch.compile captures it as one graph, and x_out and g_in stay the same, in float32, as networks train."""
    torch._dynamo.reset()
    compiled = torch.compile(case.ours, fullgraph=True, backend="aot_eager")
    ours, plain = (forward_and_backward(f, case.draw(dtype=torch.float32)) for f in (compiled, case.ours))
    assert_close(ours, plain)


def autocast_agrees(case: Case) -> None:
    """Under autocast, the dtypes are PyTorch's and the values are close to PyTorch's."""
    with torch.autocast(torch.device(case.device).type, torch.bfloat16):
        ours, native = (forward_and_backward(f, case.draw(dtype=torch.float32)) for f in (case.ours, case.reference))
    assert_close(ours, native, rtol=3e-2, atol=3e-2)


def module_agrees(case: Case) -> None:
    """Our module loads the state of PyTorch's, has the same repr, can be copied, and computes the same x_out."""
    if not case.module:
        raise NotApplicable("there is no module")
    make_ours, make_native, arguments = case.module
    ours, native = make_ours(*arguments), make_native(*arguments)
    ours.load_state_dict(native.state_dict())
    assert isinstance(ours, make_native) and repr(ours) == repr(native)
    x = case.draw(dtype=torch.float32)
    inputs = x[: max(1, sum(isinstance(t, Tensor) for t in x) - len(list(native.parameters())))]
    results = []
    for f in (copy.deepcopy(ours), native):
        seed_cpu(14)
        results.append(f(*inputs))
    assert_close(*results)


def cuda_agrees(case: Case) -> None:
    """x_out and g_in equal PyTorch's on a GPU."""
    if case.device != "cpu":
        raise NotApplicable(f"every check runs on {case.device}")
    if not torch.cuda.is_available():
        raise NotApplicable("there is no GPU")
    ours, native = (forward_and_backward(f, case.draw(device="cuda")) for f in (case.ours, case.reference))
    assert_close(ours, native)
