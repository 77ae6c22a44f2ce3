"""`trace`: a model as one node of autograd gives what its layers give, and steps aside where anybody looks."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint

import chapter14
import chapter14.functional as F
import chapter14.nn as ours

from .test_joint import Ran, conv, conv_at_rest, mlp, residual, transformer

DOUBLE = torch.float64


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(5, 6, 2, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


class Shared(nn.Module):
    """One weight in two places, a value that branches, an output that is an input, and one that has no gradient."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x, scale=1.0, *, mask=None):
        h = torch.tanh(self.first(x))
        y = self.second(h) * scale + h
        y = y if mask is None else y * mask
        return {"y": y, "x": x, "flat": y.flatten(), "best": y.argmax(-1), "scale": scale, "again": y}


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4))
        self.register_buffer("count", torch.zeros(4))

    def forward(self, x):
        y = x * self.w
        y[:, 1:3] += x[:, :2]
        y.view(-1)[0].mul_(3)
        self.count += 1
        return y.relu_()


def recurrent():
    return Recurrent(), torch.randn(2, 3, 5)


def shared():
    return Shared(), torch.randn(3, 4)


def in_place():
    return InPlace(), torch.randn(3, 4)


class Rotated(chapter14.Layer):
    """x_out = x z of a real x and a complex z: g L^x is complex, and the gradient of x its real part."""

    conjugates = True

    @staticmethod
    def forward(x, z):
        return x * z

    @staticmethod
    def backward(needs, g, x, z):
        return F.mul(g, F.conj(z)), F.mul(g, x)


class Spectrum(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.z = nn.Parameter(torch.randn(4, 5)), nn.Parameter(torch.randn(5, 2))

    def forward(self, x):
        x = nn.functional.layer_norm(x, (8,))
        return torch.fft.irfft(torch.fft.rfft(x) * self.w + Rotated.of(x[:, :5], torch.view_as_complex(self.z)), n=8)


def complex_numbers():
    return Spectrum(), torch.randn(4, 8)


NETWORKS = [mlp, conv, conv_at_rest, residual, transformer, recurrent, shared, in_place, complex_numbers]


def both(make, dtype=DOUBLE):
    """A converted model, the same traced, and x, which requires a gradient where it can."""
    torch.manual_seed(14)
    model, x = make()
    model, x = chapter14.convert(model.to(dtype)), x.to(dtype).requires_grad_() if x.is_floating_point() else x
    return model, chapter14.trace(copy.deepcopy(model)), x


def gradients(model, x, *args, **kwargs):
    """Outputs, and the gradients of x and of the parameters, for a g that is drawn."""
    out = tree_leaves(model(x, *args, **kwargs))
    ends = [t for t in out if isinstance(t, torch.Tensor) and t.requires_grad]
    torch.manual_seed(3)
    inputs = [t for t in (x, *model.parameters()) if t.requires_grad]
    gs = torch.autograd.grad(ends, inputs, [torch.randn_like(t) for t in ends], allow_unused=True)
    return out, gs, [*model.buffers()]


def close(found, expected):
    found, expected = tree_leaves(found), tree_leaves(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if isinstance(b, torch.Tensor):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
        else:
            assert a == b


@pytest.mark.parametrize("make", NETWORKS, ids=lambda f: f.__name__)
def test_outputs_gradients_and_buffers_are_the_models_own(make):
    model, traced, x = both(make)
    for _ in range(3):
        close(gradients(traced, x), gradients(model, x))


@pytest.mark.parametrize("make", [conv, transformer, recurrent], ids=lambda f: f.__name__)
def test_in_low_precision_and_under_autocast(make):
    model, traced, x = both(make, torch.bfloat16)
    close(gradients(traced, x), gradients(model, x))
    model, traced, x = both(make, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        close(gradients(traced, x), gradients(model, x))
    close(gradients(traced, x), gradients(model, x))


def test_a_model_is_one_node_whose_layers_the_audit_lists():
    model, traced, x = both(mlp)
    y = traced(x)
    assert {type(node).__name__ for node, _ in y.grad_fn.next_functions} == {"AccumulateGrad"}
    assert str(chapter14.audit(y)) == str(chapter14.audit(model(x)))
    assert "100% by hand: 3 of 3 nodes" in str(chapter14.audit(y))


def test_no_derivative_is_pytorchs():
    _, traced, x = both(conv)
    y = traced(x).sum()
    with Ran() as ran:
        y.backward()
    assert not ran.native_derivatives
    assert "mul" in ran.names


def test_it_saves_no_more_than_the_layers():
    for make in (mlp, conv, transformer):
        model, traced, x = both(make)
        assert chapter14.saved_bytes(traced, x).total <= chapter14.saved_bytes(model, x).total


def test_arguments_are_part_of_the_recording():
    model, traced, x = both(shared)
    mask = torch.rand(3, 4, dtype=DOUBLE)
    for args, kwargs in (((), {}), ((2.0,), {}), ((), {"mask": mask}), ((3.0,), {"mask": mask}), ((2.0,), {})):
        close(gradients(traced, x, *args, **kwargs), gradients(model, x, *args, **kwargs))
    assert len(traced._recordings) == 4
    wanted = torch.rand(3, 4, dtype=DOUBLE, requires_grad=True)
    for each in (model, traced):
        each(x, mask=wanted)["y"].sum().backward()
    close(*wanted.grad.chunk(1), model(x)["y"] + wanted.grad - model(x)["y"])
    close(wanted.grad / 2, model(x)["y"])


def test_it_records_again_for_other_shapes_modes_and_tensors():
    model, traced, x = both(conv)
    changes = [
        lambda m: m.eval(),
        lambda m: m[0].weight.requires_grad_(False),
        lambda m: m.train(),
        lambda m: m.float().double(),
        lambda m: setattr(m, "0", ours.Conv2d(3, 8, 3, padding=1, bias=False, dtype=DOUBLE)),
        lambda m: m[4].weight.data.mul_(2),
        lambda m: setattr(m[7], "bias", None),
    ]
    for change in changes:
        torch.manual_seed(5)
        change(model)
        torch.manual_seed(5)
        change(traced.model)
        close(gradients(traced, x), gradients(model, x))
    other = torch.randn(2, 3, 8, 8, dtype=DOUBLE)
    close(gradients(traced, other), gradients(model, other))
    assert traced(x).requires_grad and not traced.eval()(x.detach()).isnan().any()


def test_random_numbers_are_drawn_at_each_call():
    model, traced, x = both(lambda: (nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5)), torch.randn(8, 4)))
    traced(x)
    for seed in (1, 2):
        torch.manual_seed(seed)
        expected = gradients(model, x)
        torch.manual_seed(seed)
        close(gradients(traced, x), expected)
    assert not torch.equal(traced(x), traced(x))
    y = traced(x)
    with pytest.raises(RuntimeError, match="draws random numbers"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize("make", [mlp, conv, transformer], ids=lambda f: f.__name__)
def test_the_gradient_of_the_gradient(make):
    model, traced, x = both(make)
    p = [t for t in (x, *model.parameters()) if t.requires_grad]
    q = [t for t in (x, *traced.parameters()) if t.requires_grad]
    found = []
    for each, inputs in ((model, p), (traced, q)):
        g = torch.autograd.grad(each(x).square().sum(), inputs, create_graph=True)
        found.append((torch.autograd.grad(sum(t.square().sum() for t in g), inputs), [*each.buffers()]))
    close(*found)


def test_a_model_that_changed_since_is_not_run_again():
    for change in (
        lambda m: m.eval(),
        lambda m: setattr(m[4], "bias", None),
        lambda m: m.double()[0].requires_grad_(False),
    ):
        _, traced, x = both(conv)
        y = traced(x).sum()
        change(traced.model)
        before = [id(t) for t in traced.parameters()]
        with pytest.raises(RuntimeError, match="changed after the forward pass"):
            torch.autograd.grad(y, x, create_graph=True)
        assert [id(t) for t in traced.parameters()] == before
    _, traced, x = both(mlp, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = traced(x).float().sum()
    with pytest.raises(RuntimeError, match="changed after the forward pass"):
        torch.autograd.grad(y, x, create_graph=True)


def test_several_gradients_at_once():
    model, traced, x = both(mlp)
    gs = torch.eye(2, dtype=DOUBLE)[:, None].expand(2, 8, 2)
    found = [torch.autograd.grad(each(x), x, gs, is_grads_batched=True) for each in (traced, model)]
    close(*found)


def test_it_steps_aside_where_anybody_looks():
    model, traced, x = both(mlp)
    nodes = len(str(chapter14.audit(model(x))).splitlines())

    def seen():
        y = traced(x)
        return type(y.grad_fn).__name__ != "SequentialBackward" and len(str(chapter14.audit(y)).splitlines()) == nodes

    assert not seen()
    names = []
    hook = traced.model[1].register_forward_hook(lambda *_: names.append("relu"))
    assert seen() and names == ["relu"]
    hook.remove()
    with chapter14.by_hand(), Ran():
        assert seen()
    assert not seen()
    close(torch.func.jacrev(traced)(x), torch.func.jacrev(model)(x))
    t = torch.randn_like(x)
    close(torch.func.jvp(traced, (x,), (t,)), torch.func.jvp(model, (x,), (t,)))
    with torch.no_grad():
        assert traced(x).grad_fn is None
    network = chapter14.forward_backward(traced, F.l2_loss)
    close(network(x.detach(), torch.zeros(8, 2, dtype=DOUBLE))[2].shape, x.shape)
    y = checkpoint(traced, x, use_reentrant=False)
    close(torch.autograd.grad(y.sum(), x), torch.autograd.grad(model(x).sum(), x))


def test_compiled():
    model, traced, x = both(mlp)
    compiled = torch.compile(traced, backend="aot_eager")
    close(gradients(compiled, x), gradients(model, x))


class DataDependent(nn.Linear):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else x


class WritesInput(nn.Linear):
    def forward(self, x):
        return super().forward(x.mul_(2))


class Assigns(nn.BatchNorm1d):
    def forward(self, x):
        self.running_mean = self.running_mean * 0.9
        return super().forward(x)


class Outside(nn.Linear):
    def __init__(self, *args):
        super().__init__(*args)
        self.scale = [torch.ones(4, requires_grad=True)]

    def forward(self, x):
        return super().forward(x * self.scale[0])


class Wraps(nn.Linear):
    def forward(self, x):
        return [object(), super().forward(x)]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (DataDependent, "Python reads a tensor by __bool__"),
        (WritesInput, "writes into its input"),
        (Assigns, "assigns to 'running_mean'"),
        (Outside, "neither an input nor a parameter"),
        (Wraps, "holds an? object"),
    ],
)
def test_what_a_recording_cannot_hold_is_refused_and_nothing_changes(kind, why):
    model = chapter14.convert(kind(4) if kind is Assigns else kind(4, 4))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    traced, x = chapter14.trace(model), torch.randn(3, 4)
    with pytest.raises(TypeError, match=why) as raised:
        traced(x)
    assert str(raised.value).startswith("trace: ")
    close(dict(model.state_dict()), before)
    assert all(p is q for p, q in zip(model.parameters(), traced.parameters(), strict=True))


def test_a_function_without_a_backward_by_hand_is_refused():
    with pytest.raises(TypeError, match=r"trace: .*PyTorch's"):
        chapter14.trace(nn.Linear(4, 3))(torch.randn(2, 4))
    with pytest.raises(TypeError, match="trace: model is a torch.nn.Module; it was given int"):
        chapter14.trace(3)


def test_an_argument_of_another_kind_goes_to_the_model():
    class Options:
        scale = 2.0

    class Scaled(nn.Linear):
        def forward(self, x, options):
            return super().forward(x) * options.scale

    traced, x, options = chapter14.trace(chapter14.convert(Scaled(4, 3))), torch.randn(2, 4), Options()
    y = traced(x, options)
    options.scale = 4.0
    close(traced(x, options), y * 2)


def test_a_saved_tensor_that_is_overwritten_is_noticed():
    _, traced, x = both(mlp)
    y = traced(x)
    with torch.no_grad():
        traced.model[2].weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_step_of_an_optimizer_is_seen_and_copies_learn_by_themselves():
    model, traced, x = both(mlp)
    traced(x)
    other = pickle.loads(pickle.dumps(copy.deepcopy(traced)))
    for each in (model, traced, other):
        optimiser = torch.optim.SGD(each.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            each(x).square().sum().backward()
            optimiser.step()
    close(traced(x), model(x))
    close(other(x), model(x))
    assert other.model[0].weight is not traced.model[0].weight
