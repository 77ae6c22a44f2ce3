"""The chapter, equation by equation: a test for each of (14.1) to (14.47), in its order, and for Algorithm 14.1.

What is compared with is never one of our layers: scalar derivatives written out, differences, native autograd.
"""

import math
import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional as native
from torch.testing import assert_close

import chapter14.functional as F
import chapter14.nn as nn
from chapter14 import jacobian
from chapter14.graph.batch import mean_gradients, per_datapoint_gradients
from chapter14.graph.block import Block
from chapter14.graph.chain import Chain
from chapter14.graph.product_count import with_reuse, without_reuse
from chapter14.graph.sharing import copy_by_copy
from chapter14.layer.jacobians import slow_backward

M, N = 2, 3
ETA = 1e-3


def draw(*shape, seed=14):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def differences(f, x, step=1e-5):
    """∂f/∂x [|f| x |x|], by central differences."""
    columns = []
    for i in range(x.numel()):
        e = torch.zeros_like(x)
        e.view(-1)[i] = step
        columns.append((f(x + e) - f(x - e)).reshape(-1) / (2 * step))
    return torch.stack(columns, 1)


def close(actual, expected):
    assert_close(actual, expected, rtol=1e-7, atol=1e-9)


def scalar_linear(x, W, b):
    """(14.12), one number at a time."""
    return torch.stack([sum(W[i, j] * x[j] for j in range(len(x))) + b[i] for i in range(len(b))])


def some_J(x_out):
    """A cost beyond the layer, any that is not linear."""
    return (x_out.sin() * torch.arange(1, x_out.numel() + 1)).sum()


def some_g(x_out):
    """dJ/dx_out of `some_J`."""
    return x_out.cos() * torch.arange(1, x_out.numel() + 1)


@pytest.fixture
def layer():
    """A linear layer's x_in, W, b, and g_out as `some_J` sends it back."""
    x_in, W, b = draw(N, seed=1), draw(M, N, seed=2), draw(M, seed=3)
    return x_in, W, b, some_g(scalar_linear(x_in, W, b))


@pytest.fixture
def chain():
    """Three layers, two of them with θ: the chain, x_0, y, and the whole as a plain function of x_0 and the θ's."""
    W1, b1, W3, b3 = draw(3, 4, seed=1), draw(3, seed=2), draw(2, 3, seed=3), draw(2, seed=4)
    x0, y = draw(4, seed=5), draw(2, seed=6)

    def stages(x0, W1, b1, W3, b3):
        x1 = W1 @ x0 + b1
        x2 = x1.tanh()
        x3 = W3 @ x2 + b3
        return x0, x1, x2, x3, ((x3 - y) ** 2).sum()

    theta = [t.clone() for t in (W1, b1, W3, b3)]
    blocks = [Block(F.linear, theta[0], theta[1]), Block(F.tanh), Block(F.linear, theta[2], theta[3])]
    return Chain(blocks, F.l2_loss), x0, y, (W1, b1, W3, b3), stages


# 14.1 to 14.3: a generic layer


def test_14_01_a_layer_is_a_function_of_data_and_parameters(layer):
    x_in, W, b, _ = layer
    module = nn.Linear(N, M).double()
    module.load_state_dict({"weight": W, "bias": b})
    x_out = scalar_linear(x_in, W, b)
    close(F.linear(x_in, W, b), x_out)
    close(module(x_in).detach(), x_out)
    close(Block(F.linear, W, b).forward(x_in), x_out)


def _chain_rule(chain):
    """dJ/dx_3, dx_3/dx_2, dx_2/dx_1, the explicit L of each layer."""
    blocks, x0, y, theta, stages = chain
    _, x1, x2, x3, _ = stages(x0, *theta)
    W1, b1, W3, b3 = theta
    return (
        jacobian(F.l2_loss, x3, y)[0],
        jacobian(lambda x: F.linear(x, W3, b3), x2)[0],
        jacobian(F.tanh, x1)[0],
    )


def test_14_02_chain_rule_to_the_first_parameters(chain):
    _, x0, _, theta, stages = chain
    dJ_dx3, dx3_dx2, dx2_dx1 = _chain_rule(chain)
    dx1_dW1 = jacobian(lambda W: F.linear(x0, W, theta[1]), theta[0])[0]
    close(dJ_dx3 @ dx3_dx2 @ dx2_dx1 @ dx1_dW1, differences(lambda W1: stages(x0, W1, *theta[1:])[-1], theta[0]))


def test_14_03_chain_rule_to_later_parameters_shares_its_beginning(chain):
    """Here with θ_3; and the products that (14.2) and (14.3) share are multiplied once and not L times."""
    _, x0, _, theta, stages = chain
    x2 = stages(x0, *theta)[2]
    dx3_dW3 = jacobian(lambda W: F.linear(x2, W, theta[3]), theta[2])[0]
    dJ_dx3 = _chain_rule(chain)[0]
    close(dJ_dx3 @ dx3_dW3, differences(lambda W3: stages(x0, *theta[:2], W3, theta[3])[-1], theta[2]))

    g_L, L_x, L_theta = draw(4), list(draw(6, 4, 4)), list(draw(6, 4, 5, seed=1))
    (slow, without), (fast, reused) = (count(g_L, L_x, L_theta) for count in (without_reuse, with_reuse))
    assert_close(fast, slow)
    assert without == 15 * 4 * 4 + 6 * 4 * 5 and reused == 5 * 4 * 4 + 6 * 4 * 5


def test_14_04_g_is_the_gradient_of_the_cost_at_each_layer(chain):
    chain, x0, y, theta, stages = chain
    W1, b1, W3, b3 = theta
    x = stages(x0, *theta)
    J_of = [
        lambda x0: stages(x0, *theta)[-1],
        lambda x1: ((W3 @ x1.tanh() + b3 - y) ** 2).sum(),
        lambda x2: ((W3 @ x2 + b3 - y) ** 2).sum(),
        lambda x3: ((x3 - y) ** 2).sum(),
    ]
    chain.forward(x0, y)
    chain.backward()
    for g_l, J, x_l in zip(chain.g, J_of, x, strict=False):
        assert g_l.shape == x_l.shape
        close(g_l[None], differences(J, x_l))


def test_14_05_L_is_the_gradient_of_the_layer(layer):
    x_in, W, b, _ = layer
    L = torch.cat(jacobian(F.linear, x_in, W, b), 1)  # with respect to [x_in, θ], θ = vec[W, b]

    def f(v):
        return scalar_linear(v[:N], v[N : N + M * N].reshape(M, N), v[N + M * N :])

    close(L, differences(f, torch.cat([x_in, W.flatten(), b])))


def test_14_06_L_with_respect_to_the_data(layer):
    x_in, W, b, _ = layer
    L_x = jacobian(F.linear, x_in, W, b)[0]
    assert L_x.shape == (M, N)
    close(L_x, differences(lambda x: scalar_linear(x, W, b), x_in))


def test_14_07_L_with_respect_to_the_parameters(layer):
    x_in, W, b, _ = layer
    L_theta = torch.cat(jacobian(F.linear, x_in, W, b)[1:], 1)
    assert L_theta.shape == (M, M * N + M)
    close(L_theta[:, : M * N], differences(lambda W: scalar_linear(x_in, W, b), W))
    close(L_theta[:, M * N :], differences(lambda b: scalar_linear(x_in, W, b), b))


def test_14_08_gradient_of_the_parameters(layer):
    x_in, W, b, g_out = layer
    dJ_dW = differences(lambda W: some_J(scalar_linear(x_in, W, b)), W).reshape(M, N)
    close(slow_backward(F.linear, g_out, x_in, W, b)[1], dJ_dW)
    block = Block(F.linear, W, b)
    block.forward(x_in)
    close(block.backward(g_out)[1], dJ_dW)


def test_14_09_update(chain):
    chain, x0, y, theta, stages = chain
    leaves = [t.clone().requires_grad_() for t in theta]
    gradients = torch.autograd.grad(stages(x0, *leaves)[-1], leaves)
    J = chain.forward(x0, y)
    chain.backward()
    chain.update(ETA)
    moved = [t for f in chain.layers for t in f.theta]
    for after, before, gradient in zip(moved, theta, gradients, strict=True):
        close(after, before - ETA * gradient)
    assert chain.forward(x0, y) < J


def test_14_10_backpropagation_of_errors(layer):
    x_in, W, b, g_out = layer
    g_in = differences(lambda x: some_J(scalar_linear(x, W, b)), x_in)[0]
    close(slow_backward(F.linear, g_out, x_in, W, b)[0], g_in)
    block = Block(F.linear, W, b)
    block.forward(x_in)
    close(block.backward(g_out)[0], g_in)


# 14.4 and 14.5: the full algorithm, and batches


def test_algorithm_14_1(chain):
    chain, x0, y, theta, stages = chain
    leaves = [t.clone().requires_grad_() for t in (x0, *theta)]
    *x, J = stages(*leaves)
    *g, dW1, db1, dW3, db3 = torch.autograd.grad(J, [*x, *leaves[1:]])

    close(chain.forward(x0, y), J.detach())
    for x_l, expected in zip(chain.x, x, strict=True):
        close(x_l, expected.detach())
    gradients = chain.backward()
    for g_l, expected in zip(chain.g, g, strict=True):
        close(g_l, expected)
    for dJ_dtheta, expected in zip(gradients, [(dW1, db1), (), (dW3, db3)], strict=True):
        assert len(dJ_dtheta) == len(expected)
        for a, b in zip(dJ_dtheta, expected, strict=True):
            close(a, b)
    assert not any(t.requires_grad for t in (*chain.x, *chain.g))


def test_14_11_gradient_of_the_mean_is_the_mean_of_the_gradients():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    x, y = draw(5, 4, seed=1), draw(5, 2, seed=2)
    each = per_datapoint_gradients(model, F.l2_loss, x, y)
    mean = mean_gradients(model, F.l2_loss, x, y)
    theta = dict(model.named_parameters())

    def J_i(i):
        W1, b1, W2, b2 = theta.values()
        return ((W2 @ (W1 @ x[i] + b1).clamp(min=0) + b2 - y[i]) ** 2).sum()

    for i in range(5):
        for name, expected in zip(theta, torch.autograd.grad(J_i(i), list(theta.values())), strict=True):
            close(each[name][i], expected)
    for name, expected in zip(
        theta, torch.autograd.grad(sum(map(J_i, range(5))) / 5, list(theta.values())), strict=True
    ):
        close(mean[name], expected)
        close(each[name].mean(0), expected)


# 14.6.1: linear


def test_14_12_linear(layer):
    x_in, W, b, _ = layer
    close(F.linear(x_in, W, b), scalar_linear(x_in, W, b))


def test_14_13_each_output_by_each_input(layer):
    x_in, W, b, _ = layer
    L_x = jacobian(F.linear, x_in, W, b)[0]
    for i in range(M):
        for j in range(N):
            assert L_x[i, j] == W[i, j]
    close(L_x, differences(lambda x: scalar_linear(x, W, b), x_in))


def test_14_14_each_output_by_each_weight(layer):
    x_in, W, b, _ = layer
    L_W = jacobian(F.linear, x_in, W, b)[1].reshape(M, M, N)
    for i in range(M):
        for j in range(M):
            for k in range(N):
                assert L_W[i, j, k] == (x_in[k] if i == j else 0)
    close(L_W.reshape(M, M * N), differences(lambda W: scalar_linear(x_in, W, b), W))


def test_14_15_each_output_by_each_bias(layer):
    x_in, W, b, _ = layer
    L_b = jacobian(F.linear, x_in, W, b)[2]
    for i in range(M):
        for j in range(M):
            assert L_b[i, j] == (1 if i == j else 0)
    close(L_b, differences(lambda b: scalar_linear(x_in, W, b), b))


def test_14_16_L_x_is_W(layer):
    x_in, W, b, _ = layer
    L_x = jacobian(F.linear, x_in, W, b)[0]
    assert torch.equal(L_x, W) and L_x.shape == (M, N)


def test_14_17_L_b_is_I(layer):
    x_in, W, b, _ = layer
    assert torch.equal(jacobian(F.linear, x_in, W, b)[2], torch.eye(M, dtype=torch.float64))


def _native_gradients(layer):
    """g_in, dJ/dW, dJ/db by PyTorch's own linear layer."""
    leaves = [t.clone().requires_grad_() for t in layer[:3]]
    return torch.autograd.grad(native.linear(*leaves), leaves, layer[3])


def _our_gradients(layer):
    leaves = [t.clone().requires_grad_() for t in layer[:3]]
    return torch.autograd.grad(F.linear(*leaves), leaves, layer[3])


def test_14_18_g_in(layer):
    x_in, W, b, g_out = layer
    for g_in in (_our_gradients(layer)[0], g_out @ jacobian(F.linear, x_in, W, b)[0], g_out @ W):
        close(g_in, _native_gradients(layer)[0])


def test_14_19_gradient_of_the_weights_by_the_large_sparse_matrix(layer):
    x_in, W, b, g_out = layer
    L_W = jacobian(F.linear, x_in, W, b)[1]
    assert L_W.shape == (M, M * N) and (L_W != 0).sum() == M * N
    close((g_out @ L_W).reshape(M, N), _native_gradients(layer)[1])
    close(_our_gradients(layer)[1], _native_gradients(layer)[1])


def test_14_20_gradient_of_the_bias_is_g_out(layer):
    x_in, W, b, g_out = layer
    close(g_out @ jacobian(F.linear, x_in, W, b)[2], g_out)
    close(_our_gradients(layer)[2], g_out)
    close(_native_gradients(layer)[2], g_out)


# (14.21) to (14.29): dJ/dW entry by entry. i numbers x_out, j numbers x_in.


def _by_weight(layer, i, j):
    """∂x_out/∂W[i, j] [M], by moving that one weight."""
    x_in, W, b, _ = layer
    e = torch.zeros_like(W)
    e[i, j] = 1e-5
    return (scalar_linear(x_in, W + e, b) - scalar_linear(x_in, W - e, b)) / 2e-5


ENTRIES = [(i, j) for i in range(M) for j in range(N)]


def test_14_21_one_weight_by_the_chain_rule(layer):
    for i, j in ENTRIES:
        close(_our_gradients(layer)[1][i, j], layer[3] @ _by_weight(layer, i, j))


def test_14_22_the_column_of_L_W_that_belongs_to_one_weight(layer):
    L_W = jacobian(F.linear, *layer[:3])[1]
    for i, j in ENTRIES:
        close(L_W[:, i * N + j], _by_weight(layer, i, j))


def test_14_23_it_is_zero_but_at_the_output_of_that_weight(layer):
    L_W = jacobian(F.linear, *layer[:3])[1]
    for i, j in ENTRIES:
        others = [m for m in range(M) if m != i]
        assert torch.equal(L_W[others, i * N + j], torch.zeros(M - 1, dtype=torch.float64))
        close(_by_weight(layer, i, j)[others], L_W[others, i * N + j])


def test_14_24_and_there_it_is_the_input(layer):
    L_W = jacobian(F.linear, *layer[:3])[1]
    for i, j in ENTRIES:
        assert L_W[i, i * N + j] == layer[0][j]
        close(_by_weight(layer, i, j)[i], layer[0][j])


def test_14_25_so_one_weight_takes_one_product(layer):
    x_in, _, _, g_out = layer
    for i, j in ENTRIES:
        close(_our_gradients(layer)[1][i, j], g_out[i] * x_in[j])


def _dJ_dW_by_differences(layer):
    x_in, W, b, _ = layer
    return differences(lambda W: some_J(scalar_linear(x_in, W, b)), W).reshape(M, N)


def test_14_26_the_scalar_derivatives_as_a_matrix(layer):
    """The chapter's is [N x M]; ours has the shape of W, and is its transpose."""
    dJ_dW = _our_gradients(layer)[1]
    assert dJ_dW.shape == layer[1].shape
    close(dJ_dW, _dJ_dW_by_differences(layer))


def test_14_27_its_entries_are_products(layer):
    x_in, _, _, g_out = layer
    products = torch.tensor([[float(g_out[i] * x_in[j]) for i in range(M)] for j in range(N)], dtype=torch.float64)
    close(_our_gradients(layer)[1].T, products)
    close(products.T, _dJ_dW_by_differences(layer))


def test_14_28_an_outer_product_of_x_in_and_the_gradient_of_the_cost(layer):
    x_in, W, b, _ = layer
    dJ_dx_out = differences(some_J, scalar_linear(x_in, W, b))  # [1 x M]
    close(_our_gradients(layer)[1].T, x_in[:, None] @ dJ_dx_out)


def test_14_29_that_is_of_x_in_and_g_out(layer):
    x_in, _, _, g_out = layer
    close(F.outer(g_out, x_in).T, x_in[:, None] @ g_out[None])
    close(F.outer(g_out, x_in), _dJ_dW_by_differences(layer))


# 14.6.2: pointwise


def Phi(x):
    return (1 + math.erf(x / math.sqrt(2))) / 2


def phi(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def sigma(x):
    return 1 / (1 + math.exp(-x))


SQUARE = (lambda x: F.mul(x, x), lambda x: F.mul(x, 2))

POINTWISE = {  # ours, h' one number at a time
    "relu": (F.relu, lambda x: 1 if x >= 0 else 0),
    "leaky_relu": (F.leaky_relu, lambda x: 1 if x > 0 else 0.01),
    "sigmoid": (F.sigmoid, lambda x: sigma(x) * (1 - sigma(x))),
    "tanh": (F.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "gelu": (F.gelu, lambda x: Phi(x) + x * phi(x)),
    "silu": (F.silu, lambda x: sigma(x) + x * sigma(x) * (1 - sigma(x))),
    "softplus": (F.softplus, sigma),
    "elu": (F.elu, lambda x: 1 if x > 0 else math.exp(x)),
    "a user's own": (lambda x: F.pointwise(x, *SQUARE), lambda x: 2 * x),
}
POINTS = torch.tensor([-2.5, -1.0, -0.3, 0.4, 1.0, 2.5], dtype=torch.float64)
each_h = pytest.mark.parametrize("f, h_prime", POINTWISE.values(), ids=POINTWISE)


@each_h
def test_14_30_L_is_diagonal(f, h_prime):
    (L,) = jacobian(f, POINTS)
    for i, x in enumerate(POINTS.tolist()):
        for j in range(len(POINTS)):
            close(L[i, j].item(), float(h_prime(x)) if i == j else 0.0)


@each_h
def test_14_31_g_in_is_g_out_times_the_matrix(f, h_prime):
    H_prime = torch.diag(torch.tensor([h_prime(x) for x in POINTS.tolist()], dtype=torch.float64))
    g_out, x = draw(len(POINTS)), POINTS.clone().requires_grad_()
    close(torch.autograd.grad(f(x), x, g_out)[0], g_out @ H_prime)


def test_14_32_relu():
    """At 0 the chapter has 1, PyTorch 0; both are a keyword."""
    x = torch.tensor([-1.0, -0.0, 0.0, 1.0], requires_grad=True)
    for at_zero, expected in ((1, [0.0, 1.0, 1.0, 1.0]), (0, [0.0, 0.0, 0.0, 1.0])):
        (g,) = torch.autograd.grad(F.relu(x, at_zero=at_zero).sum(), x)
        assert g.tolist() == expected
        assert jacobian(nn.ReLU(at_zero=at_zero), x)[0].diag().tolist() == expected
    assert torch.autograd.grad(F.relu(x).sum(), x)[0].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert torch.autograd.grad(native.relu(x).sum(), x)[0].tolist() == [0.0, 0.0, 0.0, 1.0]


@each_h
def test_14_33_entry_by_entry(f, h_prime):
    g_out, x = draw(len(POINTS)), POINTS.clone().requires_grad_()
    (g_in,) = torch.autograd.grad(f(x), x, g_out)
    for i in range(len(POINTS)):
        close(g_in[i].item(), g_out[i].item() * h_prime(POINTS[i].item()))


# 14.6.3: loss


def test_14_34_L_of_the_L2_loss():
    y_hat, y = draw(4, seed=1), draw(4, seed=2)
    L_x, L_y = jacobian(F.l2_loss, y_hat, y)
    assert L_x.shape == (1, 4)
    for i in range(4):
        close(L_x[0, i].item(), 2 * (y_hat[i].item() - y[i].item()))
    close(L_y, differences(lambda y: sum((a - b) ** 2 for a, b in zip(y_hat, y, strict=True)), y))


def test_14_35_g_in_of_the_L2_loss():
    """g_out is 1 where the loss is J; where J goes on from there, it is not. Over a batch the loss is the mean."""
    y_hat, y = draw(4, seed=1).requires_grad_(), draw(4, seed=2)
    J = F.l2_loss(y_hat, y)
    error = torch.tensor([a - b for a, b in zip(y_hat.tolist(), y.tolist(), strict=True)], dtype=torch.float64)
    close(J.item(), sum(e * e for e in error.tolist()))
    close(torch.autograd.grad(J, y_hat, retain_graph=True)[0], 2 * error)
    close(torch.autograd.grad(J, y_hat, torch.tensor(3.0, dtype=torch.float64))[0], 3 * 2 * error)

    batch, target = draw(5, 4, seed=3).requires_grad_(), draw(5, 4, seed=4)
    J = F.l2_loss(batch, target)
    close(J, (batch - target).square().sum() / 5)
    close(torch.autograd.grad(J, batch)[0], 2 * (batch - target).detach() / 5)


# 14.6.4: the MLP


def test_14_36_backward_of_linear_is_linear_with_the_weights_transposed(layer):
    _, W, _, g_out = layer
    g_in = _native_gradients(layer)[0]
    close(W.T @ g_out[:, None], g_in[:, None])
    close(F.linear(g_out, W.T), g_in)


# 14.7: merge and branch


def test_14_37_merge():
    a, b = draw(2, seed=1), draw(3, seed=2)
    assert F.merge(a, b).tolist() == [*a.tolist(), *b.tolist()]


def test_14_38_branch():
    x = draw(3)
    x_a, x_b = F.branch(x)
    assert x_a is not x_b and x_a.tolist() == x.tolist() == x_b.tolist()
    assert [way.tolist() for way in F.branch(x, 4)] == [x.tolist()] * 4


def _concatenated(a, b):
    return torch.stack([*a, *b])


def test_14_39_g_in_of_merge():
    a, b = draw(2, seed=1).requires_grad_(), draw(3, seed=2).requires_grad_()
    g_a, g_b = torch.autograd.grad(some_J(F.merge(a, b)), [a, b])
    with torch.no_grad():
        close(g_a[None], differences(lambda a: some_J(_concatenated(a, b)), a))
        close(g_b[None], differences(lambda b: some_J(_concatenated(a, b)), b))


def test_14_40_L_of_merge_has_a_block_for_each_piece():
    a, b = draw(2, seed=1), draw(3, seed=2)
    L_a, L_b = jacobian(F.merge, a, b)
    close(L_a, torch.cat([differences(lambda a: a, a), differences(lambda a: b, a)]))
    close(L_b, torch.cat([differences(lambda b: a, b), differences(lambda b: b, b)]))


def test_14_41_it_is_1_and_0():
    a, b, g_out = draw(2, seed=1), draw(2, seed=2), draw(4, seed=3)
    one, zero = torch.eye(2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    L_a, L_b = jacobian(F.merge, a, b)
    assert torch.equal(L_a, torch.cat([one, zero])) and torch.equal(L_b, torch.cat([zero, one]))
    assert (g_out @ L_a).tolist() == g_out[:2].tolist()
    assert [part.tolist() for part in F.split(g_out, [2, 2])] == [g_out[:2].tolist(), g_out[2:].tolist()]


def _branched(x):
    return torch.stack([*x, *x])


def test_14_42_g_in_of_branch():
    x = draw(3)
    close(slow_backward(F.branch, some_g(_branched(x)), x)[0][None], differences(lambda x: some_J(_branched(x)), x))


def test_14_43_L_of_branch_has_a_block_for_each_copy():
    x, g_a, g_b = draw(3), draw(3, seed=1), draw(3, seed=2)
    L_a, L_b = (jacobian(lambda x, way=way: F.branch(x)[way], x)[0] for way in (0, 1))
    close(torch.cat([L_a, L_b]), differences(_branched, x))
    close(slow_backward(F.branch, (g_a, g_b), x)[0], torch.cat([g_a, g_b]) @ differences(_branched, x))


def test_14_44_each_copy_is_x_in():
    x = draw(3)
    close(jacobian(F.branch, x)[0], torch.cat([differences(lambda x: x, x)] * 2))


def test_14_45_it_is_1_and_1():
    one = torch.eye(3, dtype=torch.float64)
    assert torch.equal(jacobian(F.branch, draw(3))[0], torch.cat([one, one]))
    assert torch.equal(jacobian(lambda x: F.branch(x, 4), draw(3))[0], torch.cat([one] * 4))


def test_14_46_g_in_is_the_sum():
    x, g_a, g_b = draw(3).requires_grad_(), draw(3, seed=1), draw(3, seed=2)
    (g_in,) = torch.autograd.grad(F.branch(x), x, (g_a, g_b))
    assert g_in.tolist() == [a + b for a, b in zip(g_a.tolist(), g_b.tolist(), strict=True)]
    (g_in,) = torch.autograd.grad(F.branch(x)[1], x, g_b)  # the other way was not taken
    assert g_in.tolist() == g_b.tolist()


# 14.8: shared parameters


def test_14_47_a_shared_parameter_gets_the_sum():
    """W stands twice in one network: J(W^1, W^2) = ‖W^2 tanh(W^1 x) - y‖²."""
    W, x, y = draw(3, 3, seed=1), draw(3, seed=2), draw(3, seed=3)
    by_copy = copy_by_copy(lambda W1, W2: F.l2_loss(F.linear(F.tanh(F.linear(x, W1)), W2), y), W, 2)

    def J(W1, W2):
        return ((W2 @ (W1 @ x).tanh() - y) ** 2).sum()

    close(by_copy[0].reshape(1, -1), differences(lambda W1: J(W1, W), W))
    close(by_copy[1].reshape(1, -1), differences(lambda W2: J(W, W2), W))
    close(sum(by_copy).reshape(1, -1), differences(lambda W: J(W, W), W))


def test_every_equation_has_its_test_in_the_chapters_order():
    tests = re.findall(r"^def test_(14_\d+|algorithm_14_1)", Path(__file__).read_text(encoding="utf-8"), re.M)
    equations = [f"14_{number:02d}" for number in range(1, 48)]
    assert tests == [*equations[:10], "algorithm_14_1", *equations[10:]]
