"""What is kept for the way back, in bytes: of networks beside PyTorch's, of layers exactly; and that it is let go."""

import gc
import weakref

import pytest
import torch
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

import chapter14.functional as F
from chapter14 import by_hand, convert, freeze, saved_bytes
from chapter14.checking.checks import CHECKS
from chapter14.layer.node import layer_of
from chapter14.layers.core import bitmask as mask
from chapter14.layers.core.bitmask import by_shifts, from_shifts, packed, unpacked
from chapter14.layers.pool import window_index as window

from ..table import CASES

pytestmark = pytest.mark.slow


def kept(name, size, training=False, frozen=False):
    """By ours and by PyTorch's."""
    import torchvision

    torch.manual_seed(14)
    native = getattr(torchvision.models, name)(weights=None).train(training).requires_grad_(not frozen)
    x = torch.randn(1, 3, size, size, requires_grad=True)
    return tuple(saved_bytes(model, x).total for model in (convert(native), native))


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
@pytest.mark.parametrize("name, size", [("resnet18", 96), ("squeezenet1_1", 64), ("swin_t", 32), ("mobilenet_v2", 96)])
def test_at_most_natives_with_trained_parameters(name, size, training):
    ours, native = kept(name, size, training)
    assert ours <= native


@pytest.mark.parametrize("name, times", [("resnet18", 45), ("resnet50", 61), ("squeezenet1_1", 31.5), ("vgg11", 19)])
def test_less_with_fixed_parameters(name, times):
    ours, native = kept(name, 224, frozen=True)
    assert native >= times * ours


@pytest.mark.parametrize(
    "name, times", [("resnet18", 76), ("resnet50", 71), ("squeezenet1_1", 53), ("vgg11", 52), ("vit_b_16", 1.1)]
)
def test_less_when_frozen(name, times):
    import torchvision

    model, x = getattr(torchvision.models, name)(weights=None).eval().requires_grad_(False), torch.randn(1, 3, 224, 224)
    ours, native = (saved_bytes(f, x.clone().requires_grad_()).total for f in (freeze(model), model))
    assert native >= times * ours


@pytest.mark.parametrize("learns", ["weight", "norms", "biases"])
def test_relu_keeps_bits_where_no_weight_learns(learns):
    """Where the norms or the biases alone are trained, the layer after a relu does not save the relu's output."""
    conv, norm = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8)
    model = torch.nn.Sequential(conv, norm, torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 3)).requires_grad_(False)
    for p in {"weight": [conv.weight], "norms": norm.parameters(), "biases": [conv.bias]}[learns]:
        p.requires_grad_(True)
    x = torch.randn(2, 3, 32, 32)
    n = 2 * 8 * 32 * 32
    kept = saved_bytes(convert(model), x).layers["2"]
    assert kept == (4 * n if learns == "weight" else n // 8)


def test_exact_number_of_bytes():
    x = torch.randn(2, 3, 64, 64, requires_grad=True)
    n = x.numel()
    w, b = torch.randn(3), torch.randn(3)
    mean, variance = torch.randn(3), torch.rand(3)
    W = torch.randn(8, 3, 3, 3)
    there = 2 * w.nbytes  # w and the running variance, which are there anyway
    for f, n_bytes in (
        (F.relu, n // 8),
        (lambda x: F.relu(x, at_zero=0), n // 8),
        (lambda x: F.relu(x * 1, inplace=True, at_zero=0), n // 8),
        (F.relu6, n // 8),
        (F.hardsigmoid, n // 8),
        (lambda x: F.max_pool2d(x, 2), n // 4),
        (lambda x: F.max_pool2d(x, 3, 2, 1), n // 4),
        (lambda x: F.adaptive_max_pool2d(x, 32), n // 4),
        (lambda x: F.conv2d(x, W), W.nbytes),
        (lambda x: F.batch_norm(x, mean, variance, w, b), there),
        (lambda x: F.softmax(x, -1), 4 * n),
    ):
        assert saved_bytes(f, x).total == n_bytes


def test_relu_after_a_trained_layer_shares_its_output():
    layers = torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(True), torch.nn.Conv2d(8, 8, 3)
    model = convert(torch.nn.Sequential(*layers))
    x = torch.randn(2, 3, 64, 64)
    of_conv = 4 * 2 * 8 * 62 * 62
    assert saved_bytes(model, x).total == x.nbytes + 2 * of_conv
    model.requires_grad_(False)
    assert saved_bytes(model.eval(), x.requires_grad_()).layers == {"2": of_conv // 32}


class GroupedAttention(torch.nn.Module):
    """Heads of queries that share the keys and values of two heads, and a product of all heads, [B, T, D]."""

    def __init__(self, mask, **options):
        super().__init__()
        self.project, self.out = torch.nn.Linear(32, 32 + 2 * 16), torch.nn.Linear(32, 32)
        self.mask, self.options = mask, options

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (-1, 8)).transpose(1, 2) for t in self.project(x).split((32, 16, 16), -1))
        attend = torch.nn.functional.scaled_dot_product_attention
        heads = attend(q, k, v, attn_mask=self.mask, enable_gqa=True, **self.options)
        return self.out(heads.transpose(1, 2).reshape(x.shape))


@pytest.mark.parametrize("mask", [None, torch.ones(16, 16, dtype=torch.bool), torch.zeros(2, 1, 1, 16)])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}], ids=["plain", "causal"])
def test_grouped_attention_at_most_natives(mask, options):
    if mask is not None and options:
        pytest.skip("it takes one of the two")
    model, x = GroupedAttention(mask, **options), torch.randn(2, 16, 32)
    ours, native = (saved_bytes(f, x).total for f in (convert(model), model))
    assert ours <= native


# bits


@pytest.mark.parametrize("shape", [(64, 64), (3, 5, 7), (8191,), (1,), (4096, 0)])
def test_packed_masks(shape, monkeypatch):
    monkeypatch.setattr(mask, "SMALL", 0)
    m = torch.rand(shape) > 0.5
    bits = packed(m)
    assert bits.dtype == torch.uint8 and bits.shape == (-(-m.numel() // 8),)
    assert_close(by_shifts(m), bits)
    assert_close(from_shifts(bits, m.numel()).view(shape).bool(), m)
    assert_close(unpacked(bits, shape), m)


def test_small_and_noncontiguous_masks_are_not_packed():
    for m in (torch.ones(64, dtype=torch.bool), (torch.rand(1, 64, 64, 8) > 0.5).permute(0, 3, 1, 2)):
        assert packed(m) is m


LITTLE = "relu hardtanh relu6 hardsigmoid threshold hardshrink softshrink max_pool adaptive_max_pool".split()


@pytest.mark.parametrize("case", [c for c in CASES if str(c).startswith(tuple(LITTLE))], ids=str)
def test_checks_with_packed_small_masks(case, monkeypatch):
    monkeypatch.setattr(mask, "SMALL", 0)
    monkeypatch.setattr(window, "SMALL", 0)
    for check in CHECKS:
        if check.__name__ not in case.skip and check.__name__ not in ("compiles", "cuda_agrees", "module_agrees"):
            check(case)


def test_checkpoint_recomputes():
    model = convert(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)))
    for learns in (True, False):
        model.requires_grad_(learns)
        x = torch.randn(2, 3, 64, 64, requires_grad=True)
        ways = model, lambda x: checkpoint(model, x, use_reentrant=False)
        assert_close(*(torch.autograd.grad(f(x).square().sum(), x)[0] for f in ways), rtol=0, atol=0)


# what was kept is let go


def nodes_left(f):
    """How many nodes of f's graph are there once its output is not."""
    with by_hand(strict=True):
        x_out = f(torch.randn(3, 4, requires_grad=True) * 1)
    ahead, nodes = [x_out.grad_fn], []
    while ahead:
        node = ahead.pop()
        nodes += [weakref.ref(node)] if layer_of(node) else []  # PyTorch's own have none
        ahead += [before for before, _ in node.next_functions if before is not None]
    assert nodes
    del x_out, node
    return sum(node() is not None for node in nodes)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("form", ["exp_", "sigmoid_", "tanh_", "relu_", "sin_", "cumsum_", "mul_", "__iadd__"])
def test_graph_is_freed_with_its_output(form):
    arguments = {"cumsum_": (0,), "mul_": (2,), "__iadd__": (1,)}.get(form, ())
    assert nodes_left(lambda x: getattr(x, form)(*arguments)) == 0
    assert nodes_left(lambda x: getattr(x.view(-1), form)(*arguments)) == 0
