"""Sections 14.2 to 14.9 beyond their equations: chains, graphs, batches, sharing, descent, and their errors."""

import gc
import weakref

import pytest
import torch
from torch.testing import assert_close

import chapter14
import chapter14.functional as F
import chapter14.nn as nn
from chapter14.graph.batch import mean_gradients, per_datapoint_gradients
from chapter14.graph.block import Block
from chapter14.graph.descent import descend
from chapter14.graph.mlp import LinearBlock, backward_network, mlp
from chapter14.graph.product_count import with_reuse, without_reuse
from chapter14.graph.sharing import copy_by_copy, sum_over_copies, unrolled
from chapter14.layer.shape import ShapeError


def native_gradients(model, loss, x, y):
    x = x.clone().requires_grad_()
    J = loss(model(x), y)
    return J, torch.autograd.grad(J, [x, *model.parameters()])


def l2(y_hat, y):
    return (y_hat - y).square().sum(-1).mean()


def layers(nn):
    torch.manual_seed(0)
    return [nn.Linear(4, 5), nn.ReLU(), nn.LayerNorm(5), nn.Linear(5, 3), nn.Tanh()]


@pytest.mark.parametrize("shape", [(4,), (6, 4)], ids=str)
def test_a_chain_is_autograds_gradient(shape):
    chain, model = chapter14.Chain(layers(nn), F.l2_loss), torch.nn.Sequential(*layers(torch.nn))
    x, y = torch.randn(shape), torch.randn(*shape[:-1], 3)
    J, (dx, *dtheta) = native_gradients(model, l2, x, y)
    assert_close(chain.forward(x, y), J.detach())
    found = chain.backward()
    assert_close([g for layer in found for g in layer], dtheta)
    assert_close(chain.g[0], dx)
    assert [tuple(x.shape) for x in chain.x[1:]] == [tuple(g.shape) for g in chain.g[1:]]


def test_descend_is_backward_and_update():
    x, y = torch.randn(6, 4), torch.randn(6, 3)
    chains = [chapter14.Chain(layers(nn), F.l2_loss) for _ in range(2)]
    for _ in range(3):
        chains[0].forward(x, y)
        chains[0].backward()
        chains[0].update(lr=0.1)
        chains[1].forward(x, y)
        chains[1].descend(lr=0.1)
    assert_close(*([p for f in chain.layers for p in f.theta] for chain in chains))


def test_memory_is_freed_as_the_backward_pass_goes():
    chain = chapter14.Chain([nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3), nn.Tanh()], F.l2_loss)
    chain.forward(torch.randn(6, 4), torch.randn(6, 3))
    middle = weakref.ref(chain.x[2])
    whole = chain.backward(free=True)
    gc.collect()
    assert chain.x[1:] == [None] * 4 and chain.g[1:] == [None] * 4 and chain.g[0].shape == (6, 4)
    assert middle() is None and len(whole[0]) == 2


def test_a_chain_with_a_shared_layer_gets_the_sum():
    torch.manual_seed(0)
    shared = nn.Linear(4, 4)
    chain, x, y = chapter14.Chain([shared, nn.Tanh(), shared], F.l2_loss), torch.randn(6, 4), torch.randn(6, 4)
    W = shared.weight.detach().clone()
    _, (_, dW, _) = native_gradients(torch.nn.Sequential(shared, torch.nn.Tanh(), shared), l2, x, y)
    chain.forward(x, y)
    chain.descend(lr=0.1)
    assert_close(shared.weight.detach(), W - 0.1 * dW)


def test_chain_error_names_the_layer():
    chain = chapter14.Chain([nn.Linear(4, 5), nn.Linear(6, 2)], F.l2_loss)
    with pytest.raises(ShapeError, match="Chain, layer 2: linear"):
        chain.forward(torch.randn(4), torch.randn(2))
    with pytest.raises(RuntimeError, match="backward comes after forward; there has been none"):
        chain.backward()
    with pytest.raises(ShapeError, match="the loss is one number"):
        chapter14.Chain([nn.Linear(4, 2)], F.sub).forward(torch.randn(4), torch.randn(2))
    right = chapter14.Chain([nn.Linear(4, 2)], F.l2_loss)
    right.forward(torch.randn(4), torch.randn(2))
    with pytest.raises(RuntimeError, match="update comes after backward; the last was forward"):
        right.update(lr=0.1)
    block = Block(F.relu)
    with pytest.raises(ValueError, match="the same block is at two places"):
        chapter14.Chain([block, block], F.l2_loss)
    with pytest.raises(TypeError, match="ExpBackward0, which is PyTorch's and not written by hand"):
        chapter14.Chain([torch.exp], F.l2_loss).forward(torch.randn(4), torch.randn(4))


def figure_14_20(nn, F, merge, branch):
    """A branch, two ways of different length, a merge."""
    torch.manual_seed(0)
    first, inner, last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(12, 2)

    def network(x, y):
        a, b = branch(first(x))
        return F(last(merge(nn.Tanh()(inner(a)), b)), y)

    return (first, inner, last), network


def test_figure_14_20_as_a_graph():
    (first, inner, last), _ = figure_14_20(nn, F.l2_loss, F.merge, F.branch)
    graph = chapter14.Graph(
        inputs="x y",
        layers={
            "J": (F.l2_loss, "y_hat", "y"),  # in any order
            "z": (first, "x"),
            "a, b": (F.branch, "z"),
            "i": (inner, "a"),
            "h": (F.tanh, "i"),
            "m": (F.merge, "h", "b"),
            "y_hat": (last, "m"),
        },
    )
    native, run = figure_14_20(torch.nn, l2, lambda *x: torch.cat(x, -1), lambda x: (x, x))
    x, y = torch.randn(5, 4, requires_grad=True), torch.randn(5, 2)
    J = run(x, y)
    expected = torch.autograd.grad(J, [x, *(p for f in native for p in f.parameters())])
    assert_close(graph.forward(x=x, y=y), J.detach())
    found = graph.backward()
    assert_close([graph.g["x"], *found["z"], *found["i"], *found["y_hat"]], list(expected))
    before = first.weight.detach().clone()
    graph.update(lr=0.1)
    assert_close(first.weight.detach(), before - 0.1 * expected[1])


def test_value_read_by_several_layers_is_a_branch():
    graph = chapter14.Graph("x", {"a": (F.tanh, "x"), "s": (F.mul, "a", "x"), "J": (F.sum, "s")})
    x = torch.randn(5)
    graph.forward(x=x)
    graph.backward()
    assert_close(graph.g["x"], x.tanh() + x * (1 - x.tanh() ** 2))


@pytest.mark.parametrize(
    "layers, message",
    [
        ({"a": (F.relu, "z")}, "'a' reads 'z', which no layer writes"),
        ({"a": (F.add, "x", "b"), "b": (F.relu, "a")}, "the layers form a cycle"),
        ({"a": (F.relu, "x"), "b": (F.tanh, "x")}, "one value, J, is read by no layer; here there are 2: a, b"),
        ({"x": (F.relu, "x")}, "'x' is written twice"),
    ],
)
def test_invalid_graphs(layers, message):
    with pytest.raises(ValueError, match=message):
        chapter14.Graph("x", layers)


def test_missing_inputs():
    graph = chapter14.Graph("x y", {"J": (F.l2_loss, "x", "y")})
    with pytest.raises(TypeError, match="forward takes x, y; it was given x"):
        graph.forward(x=torch.ones(2))
    with pytest.raises(ShapeError, match="Graph, 'J': l2_loss"):
        graph.forward(x=torch.ones(2), y=torch.ones(3))
    with pytest.raises(RuntimeError, match="backward comes after forward"):
        graph.backward()
    many = chapter14.Graph("x", {"a": (F.relu, "x")})
    many.forward(x=torch.ones(2))
    with pytest.raises(ValueError, match="not a single number"):
        many.backward()
    with pytest.raises(ValueError, match="g has the shape of a"):
        many.backward(torch.ones(3))


def test_gradients_of_the_mean_and_of_each_datapoint():
    model, x, y = nn.Sequential(*layers(nn)), torch.randn(6, 4), torch.randn(6, 3)
    each, mean = per_datapoint_gradients(model, F.l2_loss, x, y), mean_gradients(model, F.l2_loss, x, y)
    assert each.keys() == mean.keys() and each["0.weight"].shape == (6, 5, 4)
    assert_close({name: g.mean(0) for name, g in each.items()}, mean)
    with pytest.raises(ValueError, match="as many datapoints"):
        per_datapoint_gradients(model, F.l2_loss, x, y[:5])


def test_figure_14_11_trains_as_our_own_linear_does():
    x, y = torch.randn(6, 4), torch.randn(6, 3)
    W, b = torch.randn(3, 4), torch.randn(3)
    ours = nn.Linear(4, 3)
    ours.load_state_dict({"weight": W, "bias": b})
    readers = LinearBlock(W.clone(), b.clone())
    for layer in (ours, readers):
        chain = chapter14.Chain([layer], F.l2_loss)
        for _ in range(3):
            chain.forward(x, y)
            chain.backward()
            chain.update(lr=0.05)
    assert_close([readers.W, readers.b], [ours.weight.detach(), ours.bias.detach()])


def test_figure_14_16_the_backward_pass_is_a_network_of_linear_layers():
    torch.manual_seed(0)
    chain = mlp()
    chain.forward(torch.randn(4), torch.randn(2))
    chain.backward()
    g = chain.g[-1]
    for matrix in backward_network(chain):
        g = matrix @ g
    assert_close(g, chain.g[0])
    with pytest.raises(RuntimeError, match="needs a forward pass of one datapoint"):
        backward_network(mlp())
    with pytest.raises(ValueError, match="fewer|sizes"):
        mlp([4])


def test_tied_weights_across_layers_and_across_time():
    """(14.47), and a recurrent network: x_t = tanh(W x_{t-1}), one W at each time."""
    W, x0 = torch.randn(4, 4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)

    def J(*thetas):
        return F.l2_loss(unrolled(lambda x, theta: F.tanh(F.linear(x, theta)), x0, thetas), torch.zeros_like(x0))

    copies = copy_by_copy(J, W, 3)
    W.requires_grad_()
    x = x0
    for _ in range(3):
        x = torch.tanh(W @ x)
    (expected,) = torch.autograd.grad(x.square().sum(), W)
    assert_close(sum(copies), expected)
    assert_close(sum_over_copies([W, W, W], copies)[0][1], expected)


@pytest.mark.parametrize("wrt", ["x0", "theta"])
def test_one_loop_descends_data_or_parameters(wrt):
    """Section 14.9: they play symmetric roles."""
    torch.manual_seed(0)
    given = {"x0": torch.randn(4), "y": torch.randn(3), "theta": torch.randn(3, 4)}
    before = {name: value.clone() for name, value in given.items()}

    def J(x0, y, theta):
        return F.l2_loss(F.tanh(F.linear(x0, theta)), y)

    history = [cost.item() for cost, _ in descend(J, given, wrt, eta=0.1, steps=20)]
    assert history[-1] < history[0] and all(torch.equal(given[name], before[name]) for name in given)
    with pytest.raises(ValueError, match="wrt is one of x0, y, theta; it was given 'W'"):
        descend(J, given, "W", 0.1, 1)


@pytest.mark.parametrize("L", [2, 5, 20])
def test_reuse_saves_what_the_docstring_says(L):
    n = 3
    g, L_x = torch.randn(n), [torch.randn(n, n, dtype=torch.float64) for _ in range(L)]
    one, count_without = without_reuse(g.double(), L_x, L_x)
    two, count_with = with_reuse(g.double(), L_x, L_x)
    assert_close(one, two)
    assert (count_without, count_with) == (n * n * L * (L + 1) // 2, n * n * (2 * L - 1))
