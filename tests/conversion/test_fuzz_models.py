"""Modules with constructor arguments drawn at random, and graphs of them: converted and frozen, beside native."""

import random

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from chapter14 import convert, freeze

pytestmark = pytest.mark.slow


def the_module(r):
    """A module, and the shapes of its inputs; None is a tensor of indices."""
    n, k, axes = r.choice([1, 2]), r.choice([1, 2, 3]), [r.choice([5, 6, 7]) for _ in range(2)]
    either, batch = lambda: r.random() < 0.5, r.choice([[1], [2], [3]])  # noqa: E731
    image = [*batch, 4, *axes[:n]]
    of = lambda name: getattr(nn, name.format(n))  # noqa: E731
    one_of = lambda names: getattr(nn, r.choice(names.split()))  # noqa: E731
    reduction = r.choice(["mean", "sum", "none"])
    makes = {
        "conv": lambda: (
            of("Conv{}d")(
                4, 2, k, r.choice([1, 2]), r.choice([0, 1, 2]), 1, r.choice([1, 2]), either(),
                r.choice(["zeros", "reflect", "replicate", "circular"]),
            ),
            [[*batch, 4, *(size + 2 for size in axes[:n])]],
        ),
        "transposed": lambda: (of("ConvTranspose{}d")(4, 2, k, 2, 0, r.choice([0, 1]), r.choice([1, 2])), [image]),
        "linear": lambda: (nn.Linear(4, 3, either()), [r.choice([[4], [2, 4], [2, 3, 4]])]),
        "bilinear": lambda: (nn.Bilinear(3, 4, 2, either()), [[2, 3], [2, 4]]),
        "batch norm": lambda: (
            of("BatchNorm{}d")(4, r.choice([1e-5, 1e-2]), r.choice([0.1, None]), either(), either()),
            [[3, *image[1:]]],
        ),
        "instance norm": lambda: (of("InstanceNorm{}d")(4, affine=either(), track_running_stats=either()), [image]),
        "group norm": lambda: (nn.GroupNorm(r.choice([1, 2, 4]), 4, affine=either()), [image]),
        "layer norm": lambda: (nn.LayerNorm(r.choice([[4], [3, 4]]), elementwise_affine=either()), [[2, 3, 4]]),
        "rms norm": lambda: (nn.RMSNorm(r.choice([[4], [3, 4]]), r.choice([None, 1e-3]), either()), [[2, 3, 4]]),
        "max pool": lambda: (
            of("MaxPool{}d")(k, r.choice([None, 1, 2]), k // 2, 1, either(), either()), [image]
        ),
        "average pool": lambda: (of("AvgPool{}d")(k, r.choice([None, 1, 2]), k // 2, either(), either()), [image]),
        "adaptive pool": lambda: (of(r.choice(["AdaptiveMaxPool{}d", "AdaptiveAvgPool{}d"]))(k), [image]),
        "pointwise": lambda: (
            one_of("SiLU GELU ELU CELU SELU Mish Hardswish Softplus LogSigmoid Hardtanh Softsign")(), [image]
        ),
        "in place": lambda: (one_of("ReLU6 SiLU ELU LeakyReLU Hardsigmoid")(inplace=True), [image]),
        "softmax": lambda: (one_of("Softmax LogSoftmax")(r.choice([0, 1, -1])), [image]),
        "prelu": lambda: (nn.PReLU(r.choice([1, 4])), [image]),
        "embedding": lambda: (nn.Embedding(5, 3, r.choice([None, 0]), r.choice([None, 1.0])), [None]),
        "bag": lambda: (nn.EmbeddingBag(5, 3, mode=r.choice(["mean", "sum", "max"])), [None]),
        "recurrent": lambda: (
            one_of("LSTM GRU RNN")(3, 4, k, bias=either(), batch_first=either(), bidirectional=either()),
            [r.choice([[4, 2, 3], [4, 3]])],
        ),
        "attention": lambda: (
            nn.MultiheadAttention(4, 2, 0, either(), either(), either(), batch_first=either()), 3 * [[3, 2, 4]]
        ),
        "encoder": lambda: (
            nn.TransformerEncoderLayer(4, 2, 6, 0, r.choice(["relu", "gelu"]), 1e-5, either(), either()), [[3, 2, 4]]
        ),
        "padding": lambda: (
            of(r.choice(["ZeroPad{}d", "ReflectionPad{}d", "ReplicationPad{}d", "CircularPad{}d"]))(k), [image]
        ),
        "upsampling": lambda: (
            nn.Upsample(None, r.choice([2, 1.5, 0.5]), r.choice(["nearest", "bicubic"])), [[2, 3, 5, 6]]
        ),
        "loss": lambda: (
            one_of("MSELoss L1Loss SmoothL1Loss HuberLoss PoissonNLLLoss")(reduction=reduction),
            2 * [[2, 4]],
        ),
        "distance": lambda: (nn.PairwiseDistance(r.choice([1.0, 2.0, 3.0])), 2 * [[2, 3]]),
        "dropout": lambda: (one_of("Dropout Dropout2d AlphaDropout")(0.5), [[2, 4, 5, 5]]),
    }  # fmt: skip
    return makes[r.choice(list(makes))]()


class Drawn(nn.Module):
    """A graph of layers, joined by sums, products, concatenation, views and writing in place; some layers twice."""

    def __init__(self, r):
        super().__init__()
        self.layers, self.plan = nn.ModuleList(), []
        makes = {
            "layer": lambda: r.choice([
                nn.Conv2d(4, 4, r.choice([1, 3]), padding="same", groups=r.choice([1, 4])), nn.BatchNorm2d(4),
                nn.GroupNorm(2, 4), nn.ReLU(), nn.GELU(), nn.Softmax(1), nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1),
            ]),
            "over": lambda: r.choice([nn.ReLU(True), nn.SiLU(True), nn.LeakyReLU(0.1, True)]),
            "cat": lambda: nn.Conv2d(8, 4, 1),
        }  # fmt: skip
        for done in range(r.randint(2, 7)):
            kind = r.choice(["layer", "layer", "over", "cat", "again", "add", "mul", "iadd", "view", "write", "mean"])
            inputs = r.randint(0, done), r.randint(0, done)
            again = [step for step in self.plan if step[0] == "layer"]
            if kind in makes:
                self.layers.append(makes[kind]())
                self.plan.append((kind, inputs, len(self.layers) - 1))
            elif kind == "again" and again:
                self.plan.append(("layer", inputs, r.choice(again)[2]))
            else:
                self.plan.append(("add" if kind == "again" else kind, inputs, None))
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        values = [x]
        for kind, inputs, i in self.plan:
            a, b = (values[j] for j in inputs)
            values.append(getattr(self, kind)(a, b, None if i is None else self.layers[i]))
        return self.out(values[-1].mean((2, 3)))

    def layer(self, a, b, layer):
        return layer(a)

    def over(self, a, b, layer):
        return layer(a * 1)

    def cat(self, a, b, layer):
        return layer(torch.cat([a, b], 1))

    def add(self, a, b, _):
        return a + b

    def mul(self, a, b, _):
        return a * torch.sigmoid(b)

    def iadd(self, a, b, _):
        y = a.clone()
        y += b
        y *= 0.5
        return y

    def view(self, a, b, _):
        return a.flatten(2).transpose(1, 2).reshape(a.shape[0], *a.shape[2:], a.shape[1]).permute(0, 3, 1, 2)

    def write(self, a, b, _):
        y = a.clone()
        y[:, :1] = b[:, 1:2] * 2
        y[:, :, 0].mul_(0.5)
        return y

    def mean(self, a, b, _):
        return a - a.mean((2, 3), keepdim=True)


def prepared(make, seed):
    """A module as `make` draws it, with parameters drawn as well."""
    r = random.Random(seed)
    torch.manual_seed(seed)
    module, shapes = make(r)
    module.double().train(r.random() < 0.5)
    for p in module.parameters():
        nn.init.normal_(p)
    for name, buffer in module.named_buffers():
        if "running" in name:
            nn.init.uniform_(buffer, 0.5, 2)
    x = [torch.randint(5, (2, 4)) if s is None else torch.randn(s, dtype=torch.float64) for s in shapes]
    if x[0].ndim == 4 and r.random() < 0.3:
        x[0] = x[0].contiguous(memory_format=torch.channels_last)
    return module, x


def results(module, x):
    """Outputs, first gradients, buffers, and second gradients; None where there are none natively."""
    torch.manual_seed(14)
    leaves = [t.clone().requires_grad_() if t.is_floating_point() else t for t in x]
    found = module(*(t * 1 for t in leaves))
    outputs = [t for part in (found if isinstance(found, tuple) else [found]) for t in _tensors(part)]
    wanted = [t for t in (*leaves, *module.parameters()) if t.requires_grad]
    J = sum((t * torch.linspace(-1, 1, t.numel()).view(t.shape)).sum() for t in outputs if t.requires_grad)
    gs = torch.autograd.grad(J, wanted, create_graph=True, allow_unused=True, materialize_grads=True)
    J = sum(t.square().sum() for t in gs if t.requires_grad)
    if not isinstance(J, torch.Tensor):
        return outputs, gs, list(module.buffers()), tuple(map(torch.zeros_like, wanted))
    try:
        more = torch.autograd.grad(J, wanted, allow_unused=True, materialize_grads=True)
    except RuntimeError as error:  # native attention and hardsigmoid
        assert "derivative for aten::" in str(error) and "is not implemented" in str(error)
        more = None
    return outputs, gs, list(module.buffers()), more


def assert_same(ours, native, what):
    ours = ours[:-1] if native[-1] is None else ours
    assert_close(ours, native[: len(ours)], rtol=1e-7, atol=1e-8, msg=lambda message: f"{what} {message}")


def _tensors(part):
    return [t for t in part if t is not None] if isinstance(part, tuple) else [part] if part is not None else []


@pytest.mark.filterwarnings("ignore:.*(dropout option adds|1-D input|2-D input|size_average|nested_tensor|inplace)")
@pytest.mark.parametrize("first", range(0, 180, 30))
def test_modules(first):
    for seed in range(first, first + 30):
        model, x = prepared(the_module, seed)
        converted = convert(model)
        assert_same(results(converted, x), results(model, x), f"{seed} {model}")


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_graphs(first):
    def make(r):
        return Drawn(r), [[2, 4, 5, 6]]

    for seed in range(first, first + 20):
        model, x = prepared(make, seed)
        converted = convert(model)
        assert_same(results(converted, x), results(model, x), f"{seed} {model.plan}")
        frozen, x_in = freeze(model), x[0].clone().requires_grad_()
        x_out = frozen(x_in)
        g = torch.autograd.grad(x_out.square().sum(), x_in)
        native = model.eval()(x_in)
        expected = native, *torch.autograd.grad(native.square().sum(), x_in)
        assert_same((x_out, *g), expected, f"{seed} {model.plan}")
