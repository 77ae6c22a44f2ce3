"""One place of a layer, out of what it sees: its value, and g_in of the whole image."""

import copy

import pytest
import torch
from torch import nn

import chapter14

from ..conversion.test_freeze import Small, at, near, network, settled

pytestmark = pytest.mark.slow

torch.manual_seed(14)


def windows():
    """Strides, paddings and dilations that differ; windows that stick out on each side; means of every kind."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, (1, 2), (1, 0), 2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.Conv2d(4, 4, 1),
        nn.MaxPool2d(2, 2, 1, ceil_mode=True),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, padding=5),
        nn.AdaptiveAvgPool2d((5, 4)),
    )
    return settled(model)


def smooth():
    return settled(nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.SiLU(), nn.Conv2d(4, 5, 3)))


PLACES = [
    ("windows", windows, None, True),
    ("windows", windows, "2", True),
    ("small", lambda: settled(Small()), "pool", True),
    ("small", lambda: settled(Small()), "mean", True),
    ("squeezenet1_1", lambda: network("squeezenet1_1"), "features.6", True),
    ("resnet18", lambda: network("resnet18"), "layer2.1", True),
    ("densenet121", lambda: network("densenet121"), "features.transition1", True),
    ("mobilenet_v2", lambda: network("mobilenet_v2"), "features.3", True),
    ("smooth", smooth, None, False),  # silu is no step: it is computed wholly
]


@pytest.mark.parametrize("name, made, until, cut", PLACES)
@pytest.mark.parametrize("size", [(64, 64), (65, 51)])
def test_position_equals_that_of_the_whole_image(name, made, until, cut, size):
    model, x = made(), torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    y = model(x) if until is None else at(model, until, x)
    H, W = y.shape[2:]
    for i, j in {(0, 0), (0, W - 1), (H - 1, 0), (H - 1, W - 1), (H // 2, W // 2), (H // 2, 0), (-1, W // 2)}:
        frozen = chapter14.freeze(model, until, at=(i, j))
        assert frozen.crops(x) == cut
        i %= H
        wanted = y[:, :, i : i + 1, j : j + 1]
        ours, g = frozen(x), torch.randn_like(wanted)
        near(ours, wanted)
        near(torch.autograd.grad(ours, x, g)[0], torch.autograd.grad(wanted, x, g, retain_graph=True)[0])
        assert chapter14.audit(ours).fraction == 1


def test_only_the_receptive_field_is_computed():
    model, x = network("squeezenet1_1").float(), torch.randn(1, 3, 224, 224, requires_grad=True)
    frozen = chapter14.freeze(model, "features.6", at=(None, None))
    (g_in,) = torch.autograd.grad(frozen(x).sum(), x)
    seen = g_in[0].abs().sum(0).nonzero()
    assert g_in.shape == x.shape and (seen.amax(0) - seen.amin(0)).max() < 80
    whole = chapter14.saved_bytes(chapter14.freeze(model, "features.6"), x).total
    assert chapter14.saved_bytes(frozen, x).total * 10 < whole


def test_middle_position_and_other_sizes():
    model = settled(Small())
    frozen = chapter14.freeze(model, "first", at=(None, 0))
    for size in (16, 33, 16):
        x = torch.randn(1, 3, size, size, dtype=torch.float64)
        y = model.first(x)
        near(frozen(x), y[:, :, y.shape[2] // 2, :1][..., None])
    near(copy.deepcopy(frozen)(x), frozen(x))
    near(frozen.float()(x.float()).double(), model.double().first(x)[:, :, 4, :1][..., None], 1e-5)


def test_every_mode_of_differentiation():
    model, x = settled(Small()), torch.randn(1, 3, 17, 17, dtype=torch.float64, requires_grad=True)
    frozen = chapter14.freeze(model, "pool", at=(1, 1))
    place = lambda x: model.pool(model.first(x))[:, :, 1:2, 1:2]  # noqa: E731
    G = torch.randn(4, *frozen(x).shape, dtype=x.dtype)
    grads = lambda f: torch.autograd.grad(f(x), x, G, is_grads_batched=True)[0]  # noqa: E731
    near(grads(frozen), grads(place))
    near(torch.func.jacrev(frozen)(x), torch.func.jacrev(place)(x))
    v = torch.randn_like(x)
    dy = torch.func.jvp(place, (x,), (v,))[1]
    near(torch.func.jvp(frozen, (x,), (v,))[1], dy)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.unpack_dual(frozen(torch.autograd.forward_ad.make_dual(x, v)))
        near(dual.tangent, dy)


def test_bfloat16():
    model, x = network("resnet18").float(), torch.randn(1, 3, 64, 64)
    place = chapter14.freeze(model, "layer1", precision=torch.bfloat16, at=(3, 5))(x)
    assert place.dtype == torch.bfloat16
    near(place.float(), chapter14.freeze(model, "layer1")(x)[:, :, 3:4, 5:6], 0.05)


def test_invalid_positions():
    model, x = settled(Small()), torch.randn(1, 3, 16, 16, dtype=torch.float64)
    for given in ((1,), 3, (1.5, 2), (True, 0)):
        with pytest.raises(ValueError, match="at is a row and a column"):
            chapter14.freeze(model, "pool", at=given)
    with pytest.raises(ValueError, match="there is no column 9; it has 4, 0 to 3"):
        chapter14.freeze(model, "pool", at=(0, 9))(x)
    with pytest.raises(ValueError, match=r"a position in images .* the network returns \[1, 4\]"):
        chapter14.freeze(model, at=(0, 0))(x)
    with pytest.raises(chapter14.layer.shape.ShapeError, match="conv: "):
        chapter14.freeze(model, "pool", at=(0, 0))(x[:, :2])
