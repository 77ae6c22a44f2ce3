"""Many g of one x, through a frozen network: as one g after the other, whatever way they come in."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import chapter14

from ..conversion.test_freeze import Small, chain_model, near, network, settled

pytestmark = pytest.mark.slow

torch.manual_seed(14)


def one_by_one(y, x, G):
    return torch.stack([torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in G])


def at_once(y, x, G):
    return torch.autograd.grad(y, x, G, is_grads_batched=True, retain_graph=True)[0]


MODELS = {
    "small": lambda: (settled(Small()), (3, 3, 33, 29)),
    "squeezenet1_1": lambda: (network("squeezenet1_1"), (1, 3, 64, 64)),
    "resnet18": lambda: (network("resnet18"), (2, 3, 64, 64)),
    "large pool": lambda: (nn.Sequential(nn.Conv2d(3, 40, 3), nn.ReLU(), nn.MaxPool2d(2)).double(), (2, 3, 44, 44)),
    "one row": lambda: (nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU()).double(), (5,)),
    "tokens": lambda: (nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4)).double(), (2, 3, 5)),
    "parts": lambda: (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 5)).double(),
        (2, 3, 4, 4),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_is_grads_batched(name):
    model, shape = MODELS[name]()
    frozen, x = chapter14.freeze(model), torch.randn(shape, dtype=torch.float64, requires_grad=True)
    y, y_model = frozen(x), model(x)
    G = torch.randn(11, *y.shape, dtype=y.dtype)
    wanted = one_by_one(y_model, x, G)
    near(at_once(y, x, G), wanted)
    near(torch.func.vmap(lambda g: torch.autograd.grad(y, x, g, retain_graph=True)[0])(G), wanted)
    y, back = torch.func.vjp(frozen, x)
    near(y, y_model)
    near(torch.func.vmap(back)(G)[0], wanted)
    near(back(G[0])[0], wanted[0])
    if name != "large pool":
        small = lambda f: torch.func.jacrev(lambda x: f(x).flatten()[:4])(x)  # noqa: E731
        near(small(frozen), small(model))


def test_is_grads_batched_does_not_change_g():
    model, x = chain_model(), torch.randn(2, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    y, y_model = chapter14.freeze(model)(x), model(x)
    G = torch.randn(5, *y.shape, dtype=y.dtype)
    for kind in (
        torch.ones((), dtype=y.dtype).expand(G.shape),
        G[:1].expand(G.shape),
        G[:, :, :1].expand(G.shape),
        torch.stack([g.contiguous(memory_format=torch.channels_last) for g in G]),
        torch.randn(*y.shape, 5, dtype=y.dtype).movedim(-1, 0),
        torch.randn(*reversed(G.shape), dtype=y.dtype).permute(4, 3, 2, 1, 0),
    ):
        before = kind.clone()
        found = at_once(y, x, kind)
        near(found, one_by_one(y_model, x, kind))
        assert torch.equal(kind, before)
    G = torch.randn(2, 4, 5, 1, 3, dtype=y.dtype).expand(2, 4, 5, 3, 3)
    vmapped = torch.func.vmap(lambda g: torch.autograd.grad(y, x, g, retain_graph=True)[0], in_dims=2)
    near(vmapped(G), one_by_one(y_model, x, G.movedim(2, 0)))


def test_empty_batch():
    frozen, x = chapter14.freeze(chain_model()), torch.zeros(0, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    y = frozen(x)
    assert at_once(y, x, y.new_zeros(3, *y.shape)).shape == (3, *x.shape)


def test_nested_vmap_and_torch_func():
    model = chain_model()
    frozen, x = chapter14.freeze(model), torch.randn(1, 3, 12, 12, dtype=torch.float64)
    _, back = torch.func.vjp(frozen, x)
    _, back_model = torch.func.vjp(model, x)
    G = torch.randn(3, 2, *frozen(x).shape, dtype=x.dtype)
    near(torch.func.vmap(torch.func.vmap(back))(G)[0], torch.func.vmap(torch.func.vmap(back_model))(G)[0])
    of = lambda f: lambda x: f(x).square().sum()  # noqa: E731
    near(torch.func.grad(of(frozen))(x), torch.func.grad(of(model))(x))
    twice = lambda f: torch.func.jacrev(torch.func.grad(of(f)))(x)  # noqa: E731
    near(twice(frozen), twice(model))
    X = torch.randn(3, *x.shape, dtype=x.dtype)  # many x: as the network was written
    near(torch.func.vmap(torch.func.grad(of(frozen)))(X), torch.func.vmap(torch.func.grad(of(model)))(X))


def test_is_grads_batched_second_derivatives():
    model, x = chain_model(), torch.randn(2, 3, 12, 12, dtype=torch.float64, requires_grad=True)
    found, G = [], None
    for f in (model, chapter14.freeze(model)):
        y = f(x)
        G = torch.randn(5, *y.shape, dtype=y.dtype, requires_grad=True) if G is None else G
        g_in = torch.autograd.grad(y.square(), x, G, is_grads_batched=True, create_graph=True)[0]
        v = torch.linspace(-1, 1, g_in.numel(), dtype=y.dtype).view(g_in.shape)
        found.append(torch.autograd.grad((g_in * v).sum(), (x, G)))
    for ours, wanted in zip(found[1], found[0], strict=True):
        near(ours, wanted)


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_bfloat16(name):
    frozen = chapter14.freeze(network(name).float(), precision=torch.bfloat16)
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    y = frozen(x)
    G = torch.randn(5, *y.shape).to(y.dtype)
    for ours, one in zip(at_once(y, x, G), one_by_one(y, x, G), strict=True):
        assert ours.dtype == torch.float32
        assert nn.functional.cosine_similarity(ours.flatten(), one.flatten(), 0) > 0.999


def test_threads_and_shapes():
    model = settled(Small())
    frozen, place = chapter14.freeze(model), chapter14.freeze(model, "pool", at=(1, 2))
    inputs = [torch.randn(1 + i % 2, 3, 17 + 4 * (i % 3), 24, dtype=torch.float64) for i in range(8)]

    def g_in(x):
        x = x.clone().requires_grad_()
        y = frozen(x)
        G = torch.linspace(-1, 1, 3 * y.numel(), dtype=y.dtype).view(3, *y.shape)
        return at_once(y, x, G), torch.autograd.grad(place(x).square().sum(), x)[0]

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(g_in, inputs))
    for ours, x in zip(found, inputs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, g_in(x), strict=True))
