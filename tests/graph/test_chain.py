"""A chain trains as torch.optim does on torch.nn: the same weights after every step. And it says what it cannot do."""

import copy

import pytest
import torch
from torch.testing import assert_close

import chapter14
import chapter14.functional as F
import chapter14.nn as nn
from chapter14.graph.fast_mlp.layers import LinearStage, ReluStage
from chapter14.graph.mlp import LinearBlock
from chapter14.graph.rule import SGD, Adam, AdamW
from chapter14.layer.shape import ShapeError

RULES = {
    "SGD": (SGD, torch.optim.SGD, {}),
    "decay": (SGD, torch.optim.SGD, {"weight_decay": 0.1}),
    "maximize": (SGD, torch.optim.SGD, {"maximize": True}),
    "momentum": (SGD, torch.optim.SGD, {"momentum": 0.9}),
    "dampening": (SGD, torch.optim.SGD, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1, "maximize": True}),
    "nesterov": (SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "Adam": (Adam, torch.optim.Adam, {}),
    "Adam, all": (Adam, torch.optim.Adam, {"betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1, "amsgrad": True}),
    "AdamW": (AdamW, torch.optim.AdamW, {"maximize": True}),
    "AdamW, all": (AdamW, torch.optim.AdamW, {"betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.3}),
}
SIZES = {"tiny": (4, 3, 2), "small": (30, 40, 5), "in blocks": (700, 600, 3)}


def mlp(of, sizes, dtype=torch.float64, bias=True):
    torch.manual_seed(14)
    layers = []
    for N, M in zip(sizes, sizes[1:], strict=False):
        layers += [of.Linear(N, M, bias=bias, dtype=dtype), of.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def a_batch(sizes, B, dtype=torch.float64, classes=False):
    shape = () if B is None else (B,)
    y = torch.randint(sizes[-1], shape) if classes else torch.randn(*shape, sizes[-1], dtype=dtype)
    return torch.randn(*shape, sizes[0], dtype=dtype), y


def natively(model, optimizer, loss, x, y):
    optimizer.zero_grad()
    J = loss(model(x), y)
    J.backward()
    optimizer.step()
    return J.detach()


#: Blocks are of one datapoint, and their products are the same for every rule.
ALL = [(sizes, B, rule) for sizes in ("tiny", "small") for B in (1, 64, None) for rule in RULES]
ALL += [("in blocks", B, rule) for B in (1, None) for rule in ("SGD", "momentum")]


@pytest.mark.parametrize("how", ["descend", "update"])
@pytest.mark.parametrize("sizes, B, rule", ALL, ids=str)
def test_weights_equal_torch_optims_after_every_step(sizes, B, rule, how):
    ours, native, options = RULES[rule]
    sizes, loss = SIZES[sizes], torch.nn.functional.mse_loss
    models = [mlp(torch.nn, sizes) for _ in range(2)]
    chain, rule = chapter14.Chain.from_module(models[0], loss), ours(lr=0.05, **options)
    optimizer = native(models[1].parameters(), lr=0.05, **options)
    for step in range(5):
        x, y = a_batch(sizes, B)
        J = chain.forward(x, y)
        if how == "update":
            chain.backward()
        getattr(chain, how)(rule)
        assert_close(J, natively(models[1], optimizer, loss, x, y), rtol=1e-12, atol=1e-12)
        assert_close(list(models[0].parameters()), list(models[1].parameters()), rtol=1e-12, atol=1e-12)
        if step == 2:
            rule.lr = optimizer.param_groups[0]["lr"] = 0.02  # as a schedule does


@pytest.mark.parametrize("rule", ["SGD", "momentum", "Adam"])
@pytest.mark.parametrize("B", [1, 64])
@pytest.mark.parametrize("sizes", SIZES)
def test_float32_weights_are_close_to_torch_optims(sizes, B, rule):
    ours, native, options = RULES[rule]
    models = [mlp(torch.nn, SIZES[sizes], torch.float32) for _ in range(2)]
    loss = torch.nn.functional.cross_entropy
    chain, how = chapter14.Chain.from_module(models[0], loss), ours(lr=0.01, **options)
    optimizer = native(models[1].parameters(), lr=0.01, **options)
    for _ in range(4):
        x, y = a_batch(SIZES[sizes], B, torch.float32, classes=True)
        chain.forward(x, y)
        chain.descend(how)
        natively(models[1], optimizer, loss, x, y)
    atol = 1e-4 if rule == "Adam" else 1e-5  # it divides by what may be hardly more than rounding
    assert_close(list(models[0].parameters()), list(models[1].parameters()), rtol=1e-4, atol=atol)


def a_mixed_model():
    torch.manual_seed(14)
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(12, 8, bias=False), torch.nn.LayerNorm(8), torch.nn.GELU(),
        torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU()), torch.nn.Tanh(), torch.nn.Linear(6, 5),
    ).double()  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_chain_of_other_layers(rule):
    ours, native, options = RULES[rule]
    models = [a_mixed_model() for _ in range(2)]
    weight = torch.rand(5, dtype=torch.float64)
    loss = torch.nn.CrossEntropyLoss(weight, ignore_index=3)
    chain, how = chapter14.Chain.from_module(models[0], loss), ours(lr=0.05, **options)
    optimizer = native(models[1].parameters(), lr=0.05, **options)
    for _ in range(4):
        x, y = torch.randn(7, 3, 4, dtype=torch.float64), torch.randint(5, (7,))
        J = chain.forward(x, y)
        chain.descend(how)
        assert_close(J, natively(models[1], optimizer, loss, x, y), rtol=1e-12, atol=1e-12)
        assert_close(list(models[0].parameters()), list(models[1].parameters()), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    "loss", ["MSELoss", "CrossEntropyLoss", "smoothed", "ignored", "probabilities", "SmoothL1Loss"]
)
def test_losses_have_the_gradients_of_torch_nn(loss, reduction):
    x, y = a_batch((4, 3, 5), 6, classes=loss in ("CrossEntropyLoss", "smoothed", "ignored"))
    options = {"smoothed": {"label_smoothing": 0.1}, "ignored": {"ignore_index": int(y[0]) if y.ndim == 1 else -100}}
    kind = loss if loss.endswith("Loss") else "CrossEntropyLoss"
    if loss == "probabilities":
        y = y.softmax(-1)
    made = getattr(torch.nn, kind)(reduction=reduction, **options.get(loss, {}))
    models = [mlp(torch.nn, (4, 3, 5)) for _ in range(2)]
    chain = chapter14.Chain.from_module(models[0], made)
    J = made(models[1](x), y)
    J.backward()
    assert_close(chain.forward(x, y), J.detach())
    assert_close([g for layer in chain.backward() for g in layer], [p.grad for p in models[1].parameters()])


def test_from_module_shares_the_models_parameters():
    model = mlp(torch.nn, (4, 3, 2))
    before, state = copy.deepcopy(model.state_dict()), model.state_dict()
    chain = chapter14.Chain.from_module(model, torch.nn.functional.mse_loss)
    chain.forward(*a_batch((4, 3, 2), 5))
    chain.descend(0.1)
    assert all(not torch.equal(before[name], p) for name, p in model.state_dict().items())
    assert all(torch.equal(state[name], p) for name, p in model.state_dict().items())
    assert type(model[0]) is torch.nn.Linear and model[0].weight.requires_grad
    model.load_state_dict(before)  # and what is written into the model is in the chain
    x, y = a_batch((4, 3, 2), 5)
    assert_close(chain.forward(x, y), torch.nn.functional.mse_loss(model(x), y).detach())


def test_relu_keeps_its_slope_at_0():
    for of, at_zero in ((torch.nn, 0.0), (nn, 1.0)):
        chain = chapter14.Chain.from_module(torch.nn.Sequential(of.ReLU()), torch.nn.MSELoss(reduction="sum"))
        chain.forward(torch.zeros(3), torch.ones(3))
        chain.backward()
        assert_close(chain.g[0], torch.full((3,), -2 * at_zero))


class Residual(torch.nn.Module):
    def forward(self, x):
        return x + torch.exp(x)


def test_unsupported_models():
    with pytest.raises(TypeError, match="model is a torch.nn.Module; it was given str"):
        chapter14.Chain.from_module("mlp", F.l2_loss)
    nested = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sequential(torch.nn.SyncBatchNorm(3)))
    with pytest.raises(TypeError, match="Chain.from_module: 1.0, a SyncBatchNorm, has no counterpart in chapter14.nn"):
        chapter14.Chain.from_module(nested, F.l2_loss)
    with pytest.raises(TypeError, match="PyTorch's and not written by hand"):
        chain = chapter14.Chain.from_module(torch.nn.Sequential(torch.nn.Linear(4, 3), Residual()), F.l2_loss)
        chain.forward(torch.randn(2, 4), torch.randn(2, 3))


# Memory that is used again


def test_results_of_a_pass_last_until_the_next():
    chain = chapter14.Chain.from_module(mlp(torch.nn, (4, 3, 2)), F.l2_loss)
    x, y = a_batch((4, 3, 2), 5)
    chain.forward(x, y)
    gradients = chain.backward()
    assert chain.x[0] is x and [tuple(t.shape) for t in chain.x] == [(5, 4), (5, 3), (5, 3), (5, 2)]
    assert [tuple(g.shape) for g in chain.g] == [(5, 4), (5, 3), (5, 3), (5, 2)]
    kept = copy.deepcopy(gradients)
    chain.forward(*a_batch((4, 3, 2), 5))
    chain.backward()
    assert_close(gradients, kept)  # dJ/dθ is the caller's


@pytest.mark.parametrize("sizes", SIZES)
def test_another_shape_dtype_or_layout_is_another_pass(sizes):
    sizes = SIZES[sizes]
    models = [mlp(torch.nn, sizes) for _ in range(2)]
    chain = chapter14.Chain.from_module(models[0], torch.nn.functional.mse_loss)
    optimizer = torch.optim.SGD(models[1].parameters(), lr=0.05)
    N, M = sizes[0], sizes[-1]
    one = torch.randn(8, N, dtype=torch.float64)
    for x, y in [
        (one, torch.randn(8, M)), (one[:5], torch.randn(5, M)), (one[0], torch.randn(M)),
        (torch.randn(N, 6, dtype=torch.float64).t(), torch.randn(6, M)), (one[::2], torch.randn(M, 4).t()),
        (torch.randn(2, 3, N, dtype=torch.float64), torch.randn(2, 3, M)), (one[:0], torch.randn(0, M)),
        (one.clone().requires_grad_(), torch.randn(8, M)), (one, torch.randn(8, M)),
    ]:  # fmt: skip
        y = y.double()
        chain.forward(x, y)
        chain.descend(0.05)
        if x.numel():
            natively(models[1], optimizer, torch.nn.functional.mse_loss, x, y)
            assert_close(list(models[0].parameters()), list(models[1].parameters()), rtol=1e-12, atol=1e-12)
        else:  # the mean of nothing
            assert all(p.isnan().sum() == 0 for p in models[0].parameters())


@pytest.mark.parametrize("loss", ["mse_loss", "cross_entropy"])
def test_data_may_be_overwritten_between_passes(loss):
    x, y = a_batch((4, 3, 2), 5, classes=loss == "cross_entropy")
    chains = [chapter14.Chain.from_module(mlp(torch.nn, (4, 3, 2)), getattr(F, loss)) for _ in range(2)]
    for chain, spoils in zip(chains, (False, True), strict=True):
        x_i, y_i = x.clone(), y.clone()
        chain.forward(x_i, y_i)
        if spoils:
            x_i.zero_(), y_i.zero_()
        chain.descend(0.1)
    assert_close(chains[0].layers[0].W, chains[1].layers[0].W)


def test_same_tensor_with_other_values_or_memory():
    model = mlp(torch.nn, (4, 3, 2))
    chain, x, y = chapter14.Chain.from_module(model, F.l2_loss), *a_batch((4, 3, 2), 5)
    for change in (lambda: None, lambda: x.add_(1), lambda: setattr(x, "data", torch.randn(5, 4, dtype=torch.float64))):
        change()
        assert_close(chain.forward(x, y), F.l2_loss(model(x), y).detach())


def test_parameter_may_be_written_to_but_not_replaced():
    model = mlp(torch.nn, (4, 3, 2))
    chain, (x, y) = chapter14.Chain.from_module(model, F.l2_loss), a_batch((4, 3, 2), 5)
    chain.forward(x, y)
    with torch.no_grad():
        model[0].weight.add_(1)
    assert_close(chain.forward(x, y), F.l2_loss(model(x), y).detach())
    for exchange in (
        lambda model: model[0].bias.requires_grad_(False),
        lambda model: setattr(model[2], "weight", torch.nn.Parameter(torch.randn(2, 3, dtype=torch.float64))),
        lambda model: model.float(),
    ):
        model = mlp(torch.nn, (4, 3, 2))
        chain = chapter14.Chain.from_module(model, F.l2_loss)
        chain.forward(x, y)
        exchange(model)
        with pytest.raises(RuntimeError, match="of a layer was replaced, moved or frozen; make the chain again"):
            chain.forward(x, y)
        with pytest.raises(RuntimeError, match="there has been none"):
            chain.descend(0.1)


def test_failed_pass_has_no_gradients():
    model = mlp(torch.nn, (4, 3, 2))
    chain, (x, y) = chapter14.Chain.from_module(model, F.l2_loss), a_batch((4, 3, 2), 5)
    chain.forward(x, y)
    with pytest.raises(ShapeError, match="Chain, layer 1: linear: W does not fit"):
        chain.forward(x[:, :3], y)
    with pytest.raises(RuntimeError, match="descend comes after forward"):
        chain.descend(0.1)
    with pytest.raises(ShapeError, match="x, W and b have one dtype; it was given x \\[5, 4\\], W \\[3, 4\\] float64"):
        chain.forward(x.float(), y.float())
    with pytest.raises(ShapeError, match="y_hat and y have one shape"):
        chain.forward(x, y[:3])

    class Interrupted(SGD):
        def move(self, theta, gradient):
            if theta.shape == (3, 4):
                raise KeyboardInterrupt
            super().move(theta, gradient)

    chain.forward(x, y)
    with pytest.raises(KeyboardInterrupt):
        chain.descend(Interrupted(0.1, momentum=0.9))
    for go_on in (chain.backward, lambda: chain.descend(0.1), lambda: chain.update(0.1)):
        with pytest.raises(RuntimeError, match="the last was a descend that failed"):
            go_on()
    assert_close(chain.forward(x, y), F.l2_loss(model(x), y).detach())


def test_rules_reject_what_torch_optim_rejects():
    for make, words in [
        (lambda: SGD(lr=-1), "lr is 0 or more"), (lambda: SGD(momentum=-1), "momentum is 0 or more"),
        (lambda: SGD(nesterov=True), "nesterov takes a momentum"), (lambda: Adam(betas=(1, 0.9)), "betas are in"),
        (lambda: AdamW(eps=-1), "AdamW: eps is 0 or more"), (lambda: Adam(weight_decay=-1), "weight_decay is 0 or"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            make()


def test_shared_layer_moves_by_the_sum_with_any_rule():
    for name in ("momentum", "Adam"):
        ours, native, options = RULES[name]
        torch.manual_seed(14)
        shared = [torch.nn.Linear(4, 4).double() for _ in range(2)]
        shared[1].load_state_dict(shared[0].state_dict())
        models = [torch.nn.Sequential(f, torch.nn.Tanh(), f) for f in shared]
        chain, how = chapter14.Chain.from_module(models[0], torch.nn.functional.mse_loss), ours(lr=0.05, **options)
        optimizer = native(models[1].parameters(), lr=0.05, **options)
        for _ in range(3):
            x, y = a_batch((4, 4), 5)
            chain.forward(x, y)
            chain.descend(how)
            natively(models[1], optimizer, torch.nn.functional.mse_loss, x, y)
            assert_close(shared[0].weight, shared[1].weight, rtol=1e-12, atol=1e-12)


def test_mlp_from_module_and_figure_14_11():
    torch.manual_seed(14)
    W, b = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    chains = [
        chapter14.Chain([kind(W.clone(), b.clone()), ReluStage()], F.l2_loss) for kind in (LinearStage, LinearBlock)
    ]  # fmt: skip
    x, y = a_batch((4, 3), 6)
    for chain in chains:
        chain.forward(x, y)
        chain.backward()
    assert_close(chains[0].g, chains[1].g)
    assert_close(chains[0].gradients, chains[1].gradients)
    for chain in chains:
        chain.update(0.1)
    assert_close(chains[0].layers[0].W, chains[1].layers[0].W)
