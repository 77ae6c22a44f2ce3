"""chapter14.nn in somebody's own training loop: nothing in it changes but the import."""

import copy

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.testing import assert_close

import chapter14
import chapter14.functional as F
import chapter14.nn as nn


def network(nn):
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


@pytest.fixture
def both():
    """The same network of PyTorch's and of ours, by way of its state_dict."""
    torch.manual_seed(0)
    native = network(torch.nn)
    ours = network(nn)
    assert str(ours.load_state_dict(native.state_dict())) == "<All keys matched successfully>"
    return ours, native


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(32, 784, generator=generator), torch.randint(10, (32,), generator=generator)


def train(model, x, y, steps=5):
    optimiser, history = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for _ in range(steps):
        optimiser.zero_grad()
        J = torch.nn.functional.cross_entropy(model(x), y)
        J.backward()
        optimiser.step()
        history.append(J.item())
    return history


def test_training_equals_torch_nns(both, batch):
    histories = [train(model, *batch) for model in both]
    assert_close(*histories)
    assert histories[0][-1] < histories[0][0]
    assert_close(*(model.state_dict() for model in both), rtol=1e-3, atol=1e-5)


def test_state_dict_loads_in_both_directions_and_from_a_file(both, tmp_path):
    ours, native = both
    torch.save(ours.state_dict(), tmp_path / "weights.pt")
    native.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert_close(ours.state_dict(), native.state_dict(), rtol=0, atol=0)
    assert repr(ours) == repr(native)


def test_compiled(both, batch):
    ours, native = both
    torch._dynamo.reset()
    assert_close(train(torch.compile(ours, backend="aot_eager", fullgraph=True), *batch), train(native, *batch))


def test_autocast(both, batch):
    x, y = batch
    results = []
    for model in both:
        with torch.autocast("cpu", torch.bfloat16):
            x_out = model(x)
            J = torch.nn.functional.cross_entropy(x_out, y)
        assert x_out.dtype == torch.bfloat16
        results.append((x_out, *torch.autograd.grad(J, list(model.parameters()))))
    assert all(g.dtype == torch.float32 for g in results[0][1:])
    assert_close(*results, rtol=2e-2, atol=2e-3)


def test_per_datapoint_gradients_by_vmap_of_grad(both, batch):
    x, y = batch
    found = []
    for model in both:
        theta = dict(model.named_parameters())

        def J(theta, x, y, model=model):
            return torch.nn.functional.cross_entropy(functional_call(model, theta, (x[None],)), y[None])

        found.append(vmap(grad(J), (None, 0, 0))(theta, x, y))
    assert_close(*found)


def test_no_graph_without_requires_grad(both, batch):
    ours, x = both[0], batch[0]
    with torch.no_grad():
        assert ours(x).grad_fn is None
    with torch.inference_mode():
        assert ours(x).is_inference()
    ours.requires_grad_(False)
    assert ours(x).grad_fn is None


def test_gradient_of_the_data_with_fixed_parameters(both, batch):
    for model in both:
        model.requires_grad_(False)
    x = batch[0].requires_grad_()
    ours, native = (torch.autograd.grad(model(x).square().sum(), x)[0] for model in both)
    assert_close(ours, native)


def test_hooks_copies_and_moves(both, batch):
    ours = both[0]
    seen = []
    handle = ours[1].register_full_backward_hook(lambda module, g_in, g_out: seen.append(g_in[0].shape))
    ours(batch[0]).sum().backward()
    handle.remove()
    assert seen == [torch.Size([32, 256])]
    assert copy.deepcopy(ours).double()(batch[0].double()).dtype == torch.float64


def test_relu_at_zero_is_the_chapters_or_pytorchs():
    """(14.32): h'(0) = 1. A converted model has PyTorch's 0, by the keyword."""
    for at_zero in (1, 0):
        x = torch.zeros(1, requires_grad=True)
        assert torch.autograd.grad(nn.ReLU(at_zero=at_zero)(x), x)[0] == at_zero
    x = torch.zeros(1, requires_grad=True)
    assert torch.autograd.grad(nn.ReLU()(x), x)[0] == 1
    assert torch.autograd.grad(F.relu(x), x)[0] == 1


def test_the_chapters_own_modules():
    """Figure 14.20's pieces: a branch, two ways, a merge."""
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    a, b = nn.Branch()(x)
    tanh = nn.Pointwise(torch.tanh, lambda x: F.add(F.mul(F.pow(F.tanh(x), 2), -1), 1))
    J = nn.L2Loss()(nn.Merge()(tanh(a), b), torch.zeros(3, 8, dtype=torch.float64))
    native = torch.cat([x.tanh(), x], -1).square().sum(1).mean()
    assert_close(J, native)
    assert_close(*(torch.autograd.grad(j, x)[0] for j in (J, native)))
    assert [repr(m) for m in (nn.Branch(3), nn.Merge(), nn.L2Loss())] == ["Branch(n=3)", "Merge(dim=-1)", "L2Loss()"]


@pytest.mark.parametrize(
    "name, options",
    [
        ("BatchNorm2d", {}),
        ("BatchNorm2d", {"momentum": None}),
        ("BatchNorm2d", {"track_running_stats": False}),
        ("BatchNorm2d", {"affine": False}),
        ("InstanceNorm2d", {"track_running_stats": True, "affine": True}),
        ("LazyBatchNorm2d", {}),
        ("LazyInstanceNorm2d", {"track_running_stats": True}),
    ],
    ids=str,
)
def test_norms_use_running_statistics_in_eval_mode(name, options):
    torch.manual_seed(0)
    features = () if name.startswith("Lazy") else (3,)
    ours, native = (getattr(source, name)(*features, **options) for source in (nn, torch.nn))
    for _ in range(2):
        x = torch.randn(4, 3, 5, 5)
        assert_close(ours(x), native(x))
    assert type(ours) is getattr(nn, name.removeprefix("Lazy"))
    assert_close(ours.state_dict(), native.state_dict(), rtol=0, atol=0)
    assert_close(ours.eval()(x), native.eval()(x))


@pytest.mark.parametrize("name", ["BatchNorm2d", "InstanceNorm2d"])
def test_running_statistics_in_compiled_networks(name):
    torch._dynamo.reset()
    ours, native = (getattr(source, name)(3, track_running_stats=True) for source in (nn, torch.nn))
    x = torch.randn(4, 3, 5, 5, requires_grad=True)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    (found,), (expected,) = (torch.autograd.grad(f(x).pow(3).sum(), x) for f in (compiled, native))
    assert_close(found, expected)
    assert_close(ours.state_dict(), native.state_dict())


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_padding_has_zero_gradient_even_from_nan(name):
    """Longformer's attention sends NaN back to its padding."""
    index = torch.tensor([[0, 2, 0], [1, 2, 2]])
    g = torch.ones(2, 3, 4).masked_fill_((index == 0)[..., None], torch.nan)
    ours, native = (getattr(source, name)(3, 4, padding_idx=0) for source in (nn, torch.nn))
    for model in (ours, native):
        model(index).backward(g if name == "Embedding" else torch.full((2, 4), torch.nan))
    assert (ours.weight.grad[0] == 0).all()
    assert_close(ours.weight.grad, native.weight.grad, equal_nan=True)


@pytest.mark.parametrize("one", [False, True])
def test_adaptive_log_softmax(one):
    torch.manual_seed(0)
    native = torch.nn.AdaptiveLogSoftmaxWithLoss(5, 12, [4, 8], div_value=2, head_bias=True).double()
    ours = nn.AdaptiveLogSoftmaxWithLoss(5, 12, [4, 8], div_value=2, head_bias=True).double()
    ours.load_state_dict(native.state_dict())
    assert repr(ours) == repr(native)
    x, y = torch.randn(6, 5, dtype=torch.double, requires_grad=True), torch.tensor([1, 5, 11, 4, 7, 0])
    x, y = (x[0].detach().requires_grad_(), y[1]) if one else (x, y)
    found = []
    for model in (ours, native):
        output, loss = model(x, y)
        once = torch.autograd.grad([output.sum(), loss], [x, *model.parameters()], create_graph=True, allow_unused=True)
        once = [g for g in once if g is not None]
        twice = torch.autograd.grad(sum(g.square().sum() for g in once), [x, *model.parameters()], allow_unused=True)
        found.append([output, loss, *once, *(g for g in twice if g is not None), model.log_prob(x.reshape(-1, 5))])
        assert model.predict(x.reshape(-1, 5)).shape == y.reshape(-1).shape
    assert_close(*found)
    assert chapter14.audit([*ours(x, y), ours.log_prob(x.reshape(-1, 5).detach())]).fraction == 1


@pytest.mark.parametrize("x, y", [((2, 5), (2, 1)), ((5,), (2,)), ((3, 5), (2,)), ((2, 5), ()), ((2, 5), (2,))])
def test_adaptive_log_softmax_rejects_what_pytorchs_does(x, y):
    for model in (library.AdaptiveLogSoftmaxWithLoss(5, 12, [4, 8], 2) for library in (nn, torch.nn)):
        with pytest.raises(RuntimeError):
            model(torch.randn(x), torch.full(y, 12))
