"""Checks of the ways PyTorch runs a layer: graphs of graphs, vmap, compile, autocast, as a module, on a GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import grad
from torch.func import vmap
from torch.testing import assert_close

from ..conversion.audit import audit
from .case import Case, DoesNotApply, a_gradient, asks, outputs, there_and_back, wanted


def closed(case: Case) -> None:
    """The way back is made of layers alone, and its own way back too (section 14.6.5)."""
    inputs = case.draw()
    once = _back(outputs(case.ours(*inputs)), inputs)
    _made_of_layers(once)
    if once := [g for g in once if g.requires_grad]:
        # x comes to its layer and to those of the way back: where these meet again, autograd adds, as (14.46) does.
        _made_of_layers(_back(once, inputs), "AddBackward0")


def _back(x_out: list[Tensor], inputs: tuple) -> list[Tensor]:
    ways = [t for t in x_out if t.requires_grad]
    g_out = [a_gradient(t).requires_grad_() for t in ways]
    return [g for g in grad(ways, wanted(inputs), g_out, create_graph=True, allow_unused=True) if g is not None]


def _made_of_layers(tensors: list[Tensor], *allowed: str) -> None:
    if tensors := [t for t in tensors if t.grad_fn is not None]:
        native = sorted(audit(tensors).native.keys() - {*allowed})
        assert not native, f"{', '.join(native)}: on the way back, and no layer"


def same_again(case: Case) -> None:
    """g_in is the same whether it is to be differentiated again or not: `backward` is as `backward_once`."""
    ways = []
    for graph in (False, True):
        inputs = case.draw()
        x_out = [t for t in outputs(case.ours(*inputs)) if t.requires_grad]
        g_out = [a_gradient(t) for t in x_out]
        g_in = grad(x_out, wanted(inputs), g_out, create_graph=graph, allow_unused=True)
        ways.append([g.detach() for g in g_in if g is not None])
    assert_close(*ways)


def per_datapoint(case: Case) -> None:
    """The gradients of the datapoints, one by one, add up to those of the batch (14.11)."""
    inputs, dims = case.draw(), case.in_dims
    which = tuple(i for i, t in enumerate(inputs) if asks(t))
    if all(dims[i] is None for i in which):
        raise DoesNotApply("there is no batch")

    def J(f: Callable) -> Callable:
        return lambda *inputs: sum(t.square().sum() for t in outputs(f(*inputs)))

    one_by_one = vmap(torch.func.grad(J(case.ours), which), dims)(*inputs)
    batch = grad(J(case.like)(*inputs), wanted(inputs))
    for i, g, expected in zip(which, one_by_one, batch, strict=True):
        assert_close(g.sum(0) if dims[i] is None else g.movedim(0, dims[i]), expected)


def compiles(case: Case) -> None:
    """torch.compile takes it whole, and x_out and g_in stay the same."""
    torch._dynamo.reset()
    compiled = torch.compile(case.ours, fullgraph=True, backend="aot_eager")
    assert_close(there_and_back(compiled, case.draw()), there_and_back(case.ours, case.draw()))


def autocasts(case: Case) -> None:
    """Under autocast the dtypes are PyTorch's, and the values nearly."""
    with torch.autocast("cpu", torch.bfloat16):
        ours, native = (there_and_back(f, case.draw(dtype=torch.float32)) for f in (case.ours, case.like))
    assert_close(ours, native, rtol=3e-2, atol=3e-2)


def module(case: Case) -> None:
    """Our module takes PyTorch's state, prints alike, copies, and computes alike."""
    if not case.module:
        raise DoesNotApply("it has no module")
    make_ours, make_native, arguments = case.module
    ours, native = make_ours(*arguments), make_native(*arguments)
    ours.load_state_dict(native.state_dict())
    assert isinstance(ours, make_native) and repr(ours) == repr(native)
    x = case.draw(dtype=torch.float32)
    inputs = x[: max(1, sum(isinstance(t, Tensor) for t in x) - len(list(native.parameters())))]
    results = []
    for f in (copy.deepcopy(ours), native):
        torch.manual_seed(14)
        results.append(f(*inputs))
    assert_close(*results)


def on_cuda(case: Case) -> None:
    """x_out and g_in are PyTorch's on a GPU too."""
    if not torch.cuda.is_available():
        raise DoesNotApply("there is no GPU here")
    ours, native = (there_and_back(f, case.draw(device="cuda")) for f in (case.ours, case.like))
    assert_close(ours, native)
