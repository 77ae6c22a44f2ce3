"""float16 and bfloat16: as accurate as PyTorch, at every order, in every mode, and with as little saved.

The reference is PyTorch in float64, with the same rounded inputs. The check `half_precision_accuracy` tests every
layer; here are larger sums, functions made of several layers, other ways to call them, and what the check leaves out.
"""

import dataclasses

import pytest
import torch
from torch import nn
from torch.func import grad, hessian, jvp, vmap
from torch.nn import functional as native
from torch.testing import assert_close

import chapter14.functional as F
import chapter14.nn as ours
from chapter14 import Chain, Layer, audit, by_hand, convert
from chapter14.checking import half_precision as precision
from chapter14.checking.case import Case, NotApplicable
from chapter14.checking.execution_modes import backward_once_agrees, backward_uses_layers_only
from chapter14.checking.memory import memory_at_most_native, memory_needed_gradients_only

from ..table import CASES

pytestmark = pytest.mark.slow

LOW = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])


def gradients(f, tensors):
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    x_out = f(*leaves)
    weight = torch.linspace(-1, 1, x_out.numel(), dtype=torch.double).view(x_out.shape)
    return [x_out, *torch.autograd.grad((x_out.double() * weight).sum(), leaves)]


def as_near_as_native(f, like, tensors, dtype):
    low = [t.to(dtype) for t in tensors]
    truth = gradients(like, [t.double() for t in low])
    for mine, theirs, t in zip(gradients(f, low), gradients(like, low), truth, strict=True):
        assert mine.dtype == theirs.dtype
        if t.abs().max() < torch.finfo(dtype).max:
            error, native_error = ((a.double() - t).norm() for a in (mine, theirs))
            assert error <= 3 * native_error.nan_to_num(0) + 4 * torch.finfo(dtype).eps * t.norm()


def draw(*shape, scale=1.0, offset=0.0):
    rng = torch.Generator().manual_seed(14)
    return torch.randn(shape, generator=rng) * scale + offset


def batch_norm(ns):
    return lambda x, w: ns.batch_norm(x, None, None, w, None, True)


X, W, FEW = draw(16, 64), draw(64), draw(8)
CALLS = {
    "batch_norm, about 10": (batch_norm, draw(32, 8, 32, 32, scale=10), FEW),
    "batch_norm, about 1e-3": (batch_norm, X * 1e-3, W),
    "batch_norm, 1000 and 1 more or less": (batch_norm, draw(8, 8, 16, 16, offset=1000), FEW),
    "instance_norm": (lambda ns: ns.instance_norm, draw(4, 8, 16, 16, scale=100)),
    "group_norm": (lambda ns: lambda x, w: ns.group_norm(x, 2, w), draw(4, 8, 16, offset=1000), FEW),
    "layer_norm": (lambda ns: lambda x, w: ns.layer_norm(x, [64], w), X * 300, W),
    "rms_norm, no eps": (lambda ns: lambda x, w: ns.rms_norm(x, [64], w), X * 1e-3, W),
    "rms_norm, about 100": (lambda ns: lambda x, w: ns.rms_norm(x, [64], w, 1e-5), X * 100, W),
    "normalize": (lambda ns: lambda x: ns.normalize(x, dim=1), X * 1e4),
    "normalize, p=3": (lambda ns: lambda x: ns.normalize(x, 3.0), X * 1e3),
    "mish": (lambda ns: ns.mish, X.abs() * 1e3 + 11),
    "gelu": (lambda ns: ns.gelu, X * 300),
    "softplus": (lambda ns: ns.softplus, X * 1e3),
    "logsigmoid": (lambda ns: ns.logsigmoid, X * 1e3),
    "mse_loss": (lambda ns: ns.mse_loss, draw(1000, 100, scale=150), torch.zeros(1000, 100)),
    "huber_loss": (lambda ns: lambda x, y: ns.huber_loss(x, y, delta=500.0), X * 300, -X),
    "l1_loss, of many": (lambda ns: ns.l1_loss, draw(1000, 100, scale=100), torch.zeros(1000, 100)),
    "margin_ranking_loss, of many": (lambda ns: lambda a, b: ns.margin_ranking_loss(a, b, torch.ones_like(a)),
                                     draw(1000, 100, scale=100), torch.zeros(1000, 100)),
    "cross_entropy": (lambda ns: lambda x: ns.cross_entropy(x, torch.arange(16)), X * 100),
    "nll_loss, of many": (lambda ns: lambda x: ns.nll_loss(x, torch.zeros(70000, dtype=torch.long), reduction="sum"),
                          draw(70000, 2)),
    "pairwise_distance": (lambda ns: ns.pairwise_distance, X * 300, X + 1),
    "pairwise_distance, equal": (lambda ns: ns.pairwise_distance, X, X),
    "cosine_similarity": (lambda ns: ns.cosine_similarity, X * 300, X + 1),
    "attention": (lambda ns: ns.scaled_dot_product_attention, *[draw(2, 2, 16, 8, scale=30)] * 3),
    "linear, of many": (lambda ns: lambda w, b: ns.linear(draw(5000, 4).to(w.dtype), w, b), draw(3, 4), draw(3)),
    "avg_pool2d": (lambda ns: lambda x: ns.avg_pool2d(x, 5, 1), draw(2, 3, 16, 16)),
    "interpolate": (lambda ns: lambda x: ns.interpolate(x, scale_factor=2.5, mode="bicubic"), draw(2, 3, 9, 9)),
}  # fmt: skip


@LOW
@pytest.mark.parametrize("call", CALLS)
def test_error_is_at_most_pytorchs(call, dtype):
    f, *tensors = CALLS[call]
    as_near_as_native(f(F), f(native), tensors, dtype)


@LOW
@pytest.mark.parametrize("call", ["batch_norm, about 10", "rms_norm, no eps", "mish", "mse_loss", "normalize"])
def test_error_by_hand_and_converted_is_at_most_pytorchs(call, dtype):
    f, *tensors = CALLS[call]

    def called(*tensors):
        with by_hand(strict=True):
            return f(native)(*tensors)

    as_near_as_native(called, f(native), tensors, dtype)


RECURRENT = [case for case in CASES if str(case).startswith(("lstm", "gru", "rnn"))]


@pytest.mark.parametrize("case", RECURRENT, ids=str)
def test_recurrent_networks(case, monkeypatch):
    monkeypatch.setattr(precision, "SCALES", ((1e-3, 0), (0.3, 0), (1, 0), (3, 0)))
    precision.half_precision_accuracy(case)


class Low(Case):
    def draw(self, n=3, dtype=torch.bfloat16, device="cpu"):
        def low(t):
            floats = isinstance(t, torch.Tensor) and t.is_floating_point()
            return t.detach().to(dtype).requires_grad_(t.requires_grad) if floats else t

        return tuple(map(low, super().draw(n, torch.float64, device)))


#: Of each function the first case, in bfloat16.
FIRST = {str(case).split(",")[0]: case for case in reversed(CASES)}
del FIRST["istft"]  # of complex numbers, of which there are none in bfloat16
ALSO_IN_BFLOAT16 = backward_uses_layers_only, backward_once_agrees, memory_at_most_native, memory_needed_gradients_only


@pytest.mark.parametrize("case", FIRST.values(), ids=str)
def test_saved_tensors_and_second_derivatives(case):
    low = Low(**{field.name: getattr(case, field.name) for field in dataclasses.fields(case)})
    try:
        low.reference(*low.draw())
    except RuntimeError:
        pytest.skip("PyTorch does not take bfloat16")
    for check in ALSO_IN_BFLOAT16:
        try:
            if check.__name__ not in case.skip:
                check(low)
        except NotApplicable:
            pass


W_X, W_H = draw(6, 4), draw(6, 2)
ENTRIES = {
    "mish": F.mish,
    "gelu": F.gelu,
    "tanh": F.tanh,
    "softmax": lambda x: F.softmax(x, -1),
    "layer_norm": lambda x: F.layer_norm(x, (6,)),
    "rms_norm": lambda x: F.rms_norm(x, (6,), eps=1e-3),
    "normalize": lambda x: F.normalize(x, dim=-1),
    "var": lambda x: F.var(x, -1, True),
    "logcumsumexp": lambda x: F.logcumsumexp(x, -1),
    "hypot": lambda x: F.hypot(x, F.mul(x, 0.5)),
    "mse_loss": lambda x: F.mse_loss(x, F.mul(x, 0.5), reduction="none"),
    "attention": lambda x: F.scaled_dot_product_attention(*[F.reshape(x, (1, 2, 3))] * 3),
    "gru_cell": lambda x: F.gru_cell(*F.split(F.reshape(x, (1, 6)), (4, 2), -1), W_X.to(x.dtype), W_H.to(x.dtype)),
}


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # of PyTorch's attention, in vmap
@LOW
@pytest.mark.parametrize("f", ENTRIES.values(), ids=ENTRIES)
def test_forward_mode_and_higher_orders(f, dtype):
    """By every nesting of two, and by vmap: near what it is in float64, in the dtype of x."""
    x, v = draw(6).to(dtype), draw(6).flip(0).to(dtype)

    def J(x):
        h = f(x)
        c = torch.linspace(-1, 2, h.numel(), dtype=torch.double).view(h.shape).to(h.dtype)
        return F.sum_to_size(F.mul(c, F.add(h, F.mul(h, h))), ())

    def found(x, v):
        along = jvp(f, (x,), (v,))[1]
        rows = vmap(grad(J))(torch.stack([x, v]))
        return along, rows, hessian(J)(x), jvp(grad(J), (x,), (v,))[1], grad(lambda x: jvp(J, (x,), (v,))[1])(x)

    for low, exact in zip(found(x, v), found(x.double(), v.double()), strict=True):
        assert low.dtype == dtype
        assert_close(low.double(), exact, rtol=0, atol=16 * torch.finfo(dtype).eps * exact.abs().max().item())


def test_compiled():
    x = draw(6, 4).bfloat16().requires_grad_()
    torch._dynamo.reset()

    def f(x):
        return F.mish(F.rms_norm(x, (4,)))

    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    g, expected = (torch.autograd.grad(h(x).sum(), x)[0] for h in (compiled, f))
    assert_close(g, expected)


@pytest.mark.parametrize("norm", [F.batch_norm, F.instance_norm])
def test_compiled_running_statistics(norm):
    x = (3 + draw(4, 3, 6)).bfloat16().requires_grad_()
    torch._dynamo.reset()
    found = []
    for h in (torch.compile(norm, fullgraph=True, backend="aot_eager"), norm):
        running = torch.zeros(3).bfloat16(), torch.ones(3).bfloat16()
        h(x, *running, None, None, True)
        found.append(running)
    assert found[0][0].min() > 0.1
    assert_close(*found)


@LOW
@pytest.mark.parametrize("low_statistics", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_with_parameters_in_float32(dtype, training, low_statistics):
    """As autocast leaves them: x is low, and w and b are not; each gradient is in the dtype of its input."""
    of = dtype if low_statistics else torch.float32
    x, w, b = draw(64, 4, 5, scale=100).to(dtype), draw(4).to(of), draw(4).flip(0).to(of)
    mean, variance = torch.zeros(4, dtype=of), torch.full((4,), 1e4).to(of)

    def call(ns, dtype=None):
        leaves = [t.detach().to(dtype or t.dtype).requires_grad_() for t in (x, w, b)]
        statistics = (t.to(dtype or t.dtype).clone() for t in (mean, variance))
        x_out = ns.batch_norm(leaves[0], *statistics, *leaves[1:], training)
        g = torch.linspace(-1, 1, x.numel()).view(x.shape).to(x_out.dtype)
        return x_out, *torch.autograd.grad(x_out, leaves, g)

    for mine, theirs, t in zip(call(F), call(native), call(native, torch.double), strict=True):
        assert mine.dtype == theirs.dtype
        error, native_error = ((a.double() - t).norm() for a in (mine, theirs))
        assert error <= 3 * native_error + 4 * torch.finfo(dtype).eps * t.norm()


def network(of):
    torch.manual_seed(14)
    first = of.Conv2d(3, 4, 3), of.BatchNorm2d(4), of.Mish()
    return nn.Sequential(*first, of.Flatten(), of.LayerNorm(144), of.Linear(144, 3))


@LOW
@pytest.mark.parametrize("autocast", [True, False])
def test_networks(dtype, autocast):
    """Of our modules, converted, and by hand; in half precision throughout, and under autocast."""
    x = draw(8, 3, 8, 8, scale=100)

    def call(model, x, by=None):
        with torch.autocast("cpu", dtype, enabled=autocast and by != "truth"):
            x_out = model(x)
        x_out.double().square().mean().backward()
        return torch.cat([p.grad.double().flatten() for p in model.parameters()])

    def by_hands(x):
        with by_hand(strict=True):
            return models["native"](x)

    to = torch.float32 if autocast else dtype
    models = {"native": network(nn).to(to)}
    models |= {"converted": convert(models["native"]), "ours": network(ours).to(to)}
    truth = call(network(nn).to(to).double(), x.to(to).double(), "truth")
    theirs = (call(models["native"], x.to(to)) - truth).norm()
    for name in ("converted", "ours"):
        assert (call(models[name], x.to(to)) - truth).norm() <= 3 * theirs
    models["native"].zero_grad()
    x_out = by_hands(x.to(to))
    assert audit(x_out).fraction == 1


@LOW
@pytest.mark.parametrize("loss", [F.mse_loss, F.l2_loss, F.cross_entropy], ids=lambda f: f.__name__)
def test_chain(loss, dtype):
    x, y = draw(8, 6, scale=30).to(dtype), torch.arange(8) % 6
    y = y if loss is F.cross_entropy else x.flip(0)
    chain = Chain([F.mish, F.gelu], loss)
    leaf = x.clone().requires_grad_()
    J = chain.forward(x, y)
    chain.backward()
    expected = loss(F.gelu(F.mish(leaf)), y)
    assert_close(J, expected)
    assert_close(chain.g[0], torch.autograd.grad(expected, leaf)[0], rtol=2 * torch.finfo(dtype).eps, atol=1e-5)


class Bump(Layer):
    """x_out = exp(-x²/2), by a user who squares x where it is 300."""

    opmath = "all"

    @staticmethod
    def forward(x):
        return (x.square() * -0.5).exp()

    @staticmethod
    def backward(needs, g, x):
        return (F.mul(F.mul(g, F.mul(F.pow(x, 3), 1e-6)), F.exp(F.mul(F.mul(x, x), -0.5e-6))),)

    @staticmethod
    def jvp(tangents, x):
        return Bump.backward((True,), tangents[0], x)[0]


def test_user_defined_layer():
    x = draw(6, scale=300).half().requires_grad_()
    (g,) = torch.autograd.grad(Bump.of(x).sum(), x)
    t = x.detach().double()
    assert_close(g.double(), t**3 * 1e-6 * (t * t * -0.5e-6).exp(), rtol=2e-3, atol=1e-3)


def test_embedding_that_reads_one_row_often():
    """bfloat16 counts to 256, where PyTorch's own stops too."""
    index = torch.zeros(5000, dtype=torch.long)
    weight = draw(3, 4).bfloat16().requires_grad_()
    x_out = F.embedding(index, weight, scale_grad_by_freq=True)
    (g,) = torch.autograd.grad(x_out, weight, torch.ones_like(x_out))
    assert_close(g[0].float(), torch.ones(4), rtol=2e-2, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_slope_at_the_margin_is_pytorchs(dtype):
    a, p, n = (torch.tensor([[float(k), 0.0]], dtype=dtype) for k in (0, 1, 2))
    one = torch.ones(1, dtype=dtype)
    calls = [
        lambda ns, x: ns.margin_ranking_loss(x, one * 0, one, margin=1.0),
        lambda ns, x: ns.hinge_embedding_loss(x, -one),
        lambda ns, x: ns.triplet_margin_loss(a * x, p * x, n * x, p=1.0, eps=0.0),
        lambda ns, x: ns.cosine_embedding_loss(a + p * x, p.flip(1), -torch.ones(1)),
    ]
    for call in calls:
        leaf = one.clone().requires_grad_()
        mine, theirs = (torch.autograd.grad(call(ns, leaf), leaf)[0] for ns in (F, native))
        assert_close(mine, theirs)


@pytest.mark.parametrize("name", ["native_layer_norm", "native_group_norm"])
def test_variance_that_a_norm_returns(name):
    x = draw(2, 4, 6, scale=300).half()
    call = {
        "native_layer_norm": lambda x: torch.native_layer_norm(x, (6,), None, None, 1e-5),
        "native_group_norm": lambda x: torch.native_group_norm(x, None, None, 2, 4, 6, 2, 1e-5),
    }[name]
    with by_hand(strict=True):
        found = call(x)
    assert_close(found, call(x), rtol=2e-3, atol=1e-5)
