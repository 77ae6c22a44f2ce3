"""What is computed again in the backward pass of a by_hand() block is by hand too: checkpoint, and other hooks."""

import threading
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint, checkpoint_sequential, create_selective_checkpoint_contexts

import chapter14
from chapter14 import by_hand


def model():
    torch.manual_seed(14)
    layers = nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 4), nn.Tanh()
    return nn.Sequential(*layers).double()


def f(x):
    """tanh keeps x_in by hand and x_out natively: both are of one shape."""
    return (model()(x).tanh() * 2).exp() * x.sigmoid()


def again(f, x, **options):
    return checkpoint(f, x, use_reentrant=False, **options)


def selective(x):
    kept = [torch.ops.aten.addmm.default, torch.ops.aten.mm.default]
    return again(f, x, context_fn=lambda: create_selective_checkpoint_contexts(kept))


def on_cpu(x):
    with save_on_cpu():
        return f(x)


def by_hooks(x):
    with saved_tensors_hooks(lambda t: [t.clone()], lambda kept: kept[0]):
        return f(x)


def with_a_block_inside(x):
    with by_hand():
        y = x.tanh()
    return y.tanh() * x


def written_into(x):
    y = x * 2
    y[0] += x[1]
    y[:, 1] *= x[:, 0]
    return y.tanh_().mul_(x)


class Glued(nn.Module):
    """A model that checkpoints what is no module."""

    def __init__(self):
        super().__init__()
        self.inner = model()

    def forward(self, x):
        return again(lambda x: self.inner(x).tanh().exp() * x.sigmoid(), x)


FORMS = {
    "checkpoint": lambda x: again(f, x),
    "without its random state": lambda x: again(lambda x: x.tanh().exp() * x.sin(), x, preserve_rng_state=False),
    "nested": lambda x: again(lambda x: again(f, x) * again(f, x.tanh()), x),
    "to its end": lambda x: again(f, x, determinism_check="none", debug=True),
    "selective": selective,
    "in sequence": lambda x: checkpoint_sequential(model(), 2, x, use_reentrant=False),
    "with a block inside": lambda x: again(with_a_block_inside, x),
    "written into": lambda x: again(written_into, x),
    "on the CPU": on_cpu,
    "by hooks": by_hooks,
    "checkpoint, on the CPU": lambda x: again(on_cpu, x),
    "native and by hand": lambda x: again(lambda x: torch.quantile(x.tanh(), 0.3, 0).tanh() * x.exp(), x),
    "converted": chapter14.convert(Glued()),
    "a layer first": lambda x: again(lambda x: chapter14.functional.exp(x.tanh()) * chapter14.functional.sin(x), x),
}


def gradients(f, block, when, second):
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4).requires_grad_()
    torch.manual_seed(1)

    def backward():
        (g,) = torch.autograd.grad(J, x, create_graph=second)
        found.extend((g, *torch.autograd.grad(g.square().sum(), x)) if second else (g,))

    found = []
    with block:
        J = f(x).square().sum()
        if when == "inside":
            backward()
    if when == "after":
        backward()
    elif when == "in a thread":
        thread = threading.Thread(target=backward)
        thread.start()
        thread.join()
    return [J, *found]


@pytest.mark.parametrize("when", ["inside", "after", "in a thread"])
@pytest.mark.parametrize("name", FORMS)
def test_recomputed_by_hand(name, when):
    for second in (False, True):
        if second and name in ("selective", "to its end"):  # which PyTorch refuses
            continue
        native = gradients(FORMS[name], nullcontext(), "after", second)
        ours = gradients(FORMS[name], by_hand(), when, second)
        assert_close(ours, native)
        assert name == "native and by hand" or chapter14.audit(ours[0]).native == {}
        assert torch._C._len_torch_function_stack() == 0


def test_recomputation_is_by_hand():
    seen = []

    def f(x):
        y = x.sin()
        seen.append(type(y.grad_fn).__name__)
        return y.tanh()

    x = torch.ones(3, requires_grad=True)
    with by_hand() as block:
        J = again(f, x).sum()
    J.backward()
    assert seen == ["SinBackward", "SinBackward"] and block.native == {}


def test_hooks_outside_the_block_are_unchanged():
    x, seen = torch.ones(3, requires_grad=True), []

    def unpack(t):
        seen.append(chapter14.conversion.by_hand.at_work())
        return t

    with saved_tensors_hooks(lambda t: t, unpack):
        with by_hand():
            J = x.tanh().sum()
        J = J + x.exp().sum()
    J.backward()
    assert len(seen) == 2 and not any(seen)


def test_reentrant():
    """Its forward pass has no graph: PyTorch's own node holds the place, which `audit` shows."""
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(3, 4).requires_grad_()
    grads = []
    for block in (nullcontext(), by_hand()):
        torch.manual_seed(1)
        with block:
            J = checkpoint(f, x, use_reentrant=True).sum()
        J.backward()
        grads.append((J, x.grad))
        x.grad = None
    assert_close(*grads)
    assert chapter14.audit(J).native == {"CheckpointFunctionBackward": 1}
