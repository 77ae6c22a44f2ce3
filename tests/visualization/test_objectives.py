"""Objectives: each is what it says, rises in a few steps, its gradient by hand; and what they say when wrong."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn as nn
from torch.testing import assert_close

import chapter14
from chapter14.models.clip import CLIP
from chapter14.models.load import load_network
from chapter14.models.pretrained import Pretrained
from chapter14.visualization import (
    caricature,
    channel,
    channels,
    direction,
    diversity,
    dream,
    interpolate,
    invert,
    label,
    layers,
    neuron,
    own,
    style,
    table,
    text,
    visualize,
)
from chapter14.visualization.activations.axes import channel_axis
from chapter14.visualization.activations.hooks import PICTURE, activation_hooks, activations
from chapter14.visualization.optimization.cost import Settings, cost_function
from chapter14.visualization.optimization.descent import generators

from ..small_clip import TRAINED

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_embedded")]

torch.manual_seed(0)
PHOTO = 0.5 * torch.randn(3, 9, 12)
V = torch.randn(6)


class Tokens(nn.Module):
    """A layer of images; tokens [B, T, N], by an attention; the same [T, B, N]; channels last; and 4 classes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh())
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.turned = nn.Identity()
        self.last = nn.Linear(6, 5)
        self.windows = nn.Identity()
        self.named = Named()
        self.aside = nn.Identity()
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = self.conv(x)
        self.last(x.permute(0, 2, 3, 1))
        self.windows(torch.cat([x, x, x]))
        x = self.named(x)["out"]
        x = x.flatten(2).transpose(1, 2)
        x = x + self.attention(x, x, x)[0]
        x = self.turned(x.transpose(0, 1)).transpose(0, 1)
        return self.head(x.mean(1))


class Named(nn.Module):
    def forward(self, x):
        return {"out": 2 * x, "other": None}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Pretrained(Tokens().double(), 8, ("tabby", "crane", "tench", "crane"), name="small")


def J_of(network, objective):
    """x → J, as the descent has it, with no transforms."""

    def J(x):
        with cost_function(network, [objective] * len(x), Settings([])) as J:
            return J(0, x, generators([0] * len(x), 0))

    return J


def value(network, objective, x):
    return -J_of(network, objective)(x).detach()


OBJECTIVES = [
    neuron("conv", 3),
    neuron("conv", -1, 0, 7),
    neuron("attention", 2, 5),
    neuron("output", 1),
    channel("conv", 3),
    channel("attention", 2),
    channel("turned", 2),
    channel("last", 4),
    channel("named", 2),
    channel("conv", 2, axis=-1),
    channel(PICTURE, 0),
    direction("conv", V),
    direction("attention", V, cosine_power=2),
    direction("conv", V, cosine=True, place=(1, 2)),
    dream("conv"),
    dream("attention", place=(3,)),
    dream("output"),
    diversity("conv"),
    channel("conv", 3) + 0.2 * diversity("conv"),
    invert("conv", PHOTO),
    invert("attention", PHOTO),
    caricature("conv", PHOTO),
    caricature("conv", PHOTO, cosine_power=0),
    style("conv", PHOTO),
    label("tabby"),
    label(2) - 0.5 * label(0),
    label("tench", softmax=True),
    -dream("conv"),
    own(lambda conv, output: conv.square().mean((1, 2, 3)) * output[:, 0].sigmoid(), "conv", "output", name="mine"),
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.name)
def test_each_rises_and_its_gradient_is_by_hand(objective, network):
    audits = []

    def on_step(step):
        audits.append(chapter14.audit(step.J))

    drawn = visualize(network, objective, count=2, steps=12, cycles=(), transforms=(), on_step=on_step)
    history = drawn.history
    assert (history[-1] < history[0]).all()
    assert audits[0].fraction == 1, audits[0]
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(J_of(network, objective), x, fast_mode=True)


def test_each_is_what_it_says(network):
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    a = activations(network, frozenset(["conv", "attention", "turned", "last", "named", "output"]), x)
    conv, tokens, v = a["conv"], a["attention"], V.double()
    for objective, expected in {
        neuron("conv", 3): conv[:, 3, 4, 4],
        neuron("conv", 3, 1, 2): conv[:, 3, 1, 2],
        neuron("attention", 2, 5): tokens[:, 5, 2],
        channel("conv", 3): conv[:, 3].mean((1, 2)),
        channel("attention", 2): tokens[:, :, 2].mean(1),
        channel("turned", 2): network.model(x) @ torch.zeros(4).double() + a["turned"][:, :, 2].mean(1),
        channel("last", 4): a["last"][..., 4].mean((1, 2)),
        channel("conv", 2, axis=-1): conv[..., 2].mean((1, 2)),
        channel(PICTURE, 0): x[:, 0].mean((1, 2)),
        direction("conv", V): torch.einsum("bchw,c->bhw", conv, v).mean((1, 2)),
        direction("conv", V, cosine=True): torch.cosine_similarity(conv, v[:, None, None], 1).mean((1, 2)),
        direction("conv", V, cosine_power=2, place=(1, 2)): (conv[:, :, 1, 2] @ v)
        * torch.cosine_similarity(conv[:, :, 1, 2], v, 1).clamp(min=0.1) ** 2,
        dream("conv"): conv.square().mean((1, 2, 3)),
        dream("conv", place=(0, 7)): conv[:, :, 0, 7].square().mean(1),
        label("tench"): a["output"][:, 2],
        label(2, softmax=True): a["output"].log_softmax(1)[:, 2],
        2 * label(0) - label(1): 2 * a["output"][:, 0] - a["output"][:, 1],
    }.items():
        assert_close(value(network, objective, x), expected, msg=lambda said, o=objective: f"{o.name}: {said}")


def gram(x):
    return torch.einsum("bchw,bdhw->bcd", x, x) / x[0, 0].numel()


def test_those_that_go_by_a_picture_are_what_they_say(network):
    photo = 0.5 * torch.randn(3, 8, 8, dtype=torch.float64)
    x = torch.stack([photo.float().double(), torch.randn(3, 8, 8, dtype=torch.float64)])
    a = activations(network, frozenset(["conv"]), x)["conv"]
    away = (a[1] - a[0]).square().sum() / a[0].square().sum()
    assert_close(value(network, invert("conv", photo), x), torch.stack([torch.zeros(()).double(), -away]))
    G = gram(a)
    away = (G[1] - G[0]).square().sum() / G[0].square().sum()
    assert_close(value(network, style("conv", photo), x), torch.stack([torch.zeros(()).double(), -away]))
    dot, cosine = (a * a[:1]).sum(1), torch.cosine_similarity(a, a[:1], 1)
    expected = (dot * cosine.clamp(min=0.1)).mean((1, 2))
    assert_close(value(network, caricature("conv", photo), x), expected)
    assert_close(value(network, caricature("conv", photo, cosine_power=0), x), dot.mean((1, 2)))


def test_diversity_is_how_unlike_the_others_are(network):
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    G = gram(activations(network, frozenset(["conv"]), x)["conv"]).flatten(1)
    cosines = torch.cosine_similarity(G[:, None], G[None], -1)
    assert_close(value(network, diversity("conv"), x), -(cosines.sum(1) - 1) / 2)
    assert diversity("conv").together and (channel("conv", 1) - diversity("conv")).together
    assert_close(value(network, diversity("conv"), x[:1]), torch.zeros(1).double())  # alone, unlike nobody


def test_what_is_drawn_together_differs_more(network):
    alone = channel("conv", 3)
    drawn = [visualize(network, o, count=3, steps=12, cycles=()).x for o in (alone, alone + 5 * diversity("conv"))]
    alike = [-value(network, diversity("conv"), x).mean() for x in drawn]
    assert alike[1] < alike[0]


def test_from_one_to_another(network):
    a, b = channel("conv", 1), neuron("attention", 2, 5)
    path = interpolate(a, b, 3)
    assert path[0] is a and path[2] is b and path[1].layers == {"conv", "attention"}
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    values = [value(network, o, x) for o in path]
    assert_close(values[1], (values[0] + values[2]) / 2)
    with pytest.raises(ValueError, match="n is at least 2; it was given 1"):
        interpolate(a, b, 1)


def test_the_embedded_network_tells_a_sentence_from_all_that_say_something_else():
    network = load_network()
    config = replace(network.model.config, size=32, widths=(2, 3), blocks=(1, 1), kernels=(3, 3), strides=(1, 2))
    network = Pretrained(CLIP(config).eval(), 32, ("cat", "dog"), {"attributes": ["", "dark", "black and white"]})
    x = torch.randn(2, 3, 32, 32)
    others = {
        "a photo of a cat": ["a photo of a dog"],
        "a dark photo of a cat": [
            *(f"a {kind}photo of a cat" for kind in ("", "black and white ")),
            *(f"a {kind}photo of a dog" for kind in ("", "dark ", "black and white ")),
        ],
        "a dark photo": [f"a {kind}photo of a {name}" for name in network.labels for kind in ("", "black and white ")],
    }
    for prompt, against in others.items():
        expected = value(network, text(prompt, against=against, softmax=True), x)
        assert_close(value(network, text(prompt), x), expected)
    node = network(x) @ network.sentences(["a photo of a cat"])[0]
    assert_close(value(network, text("a photo of a cat", 0), x), node)


def test_a_sentence_against_others():
    network = load_network(TRAINED)
    x = torch.randn(2, 3, 96, 96)
    ours, other = network.sentences(["a photo of a cat", "a photo of a dog"])
    f = network(x)
    assert_close(value(network, text("a photo of a cat", 0), x), f @ ours)
    against = text("a photo of a cat", 1, against="a photo of a dog")
    assert against.name == "a photo of a cat against a photo of a dog, guidance 1"
    assert_close(value(network, against, x), f @ (2 * ours - other), atol=1e-4, rtol=1e-4)
    softmax = text("a photo of a cat", against=["a photo of a dog"], softmax=True)
    expected = (f @ torch.stack([ours, other]).T).log_softmax(1)[:, 0]
    assert_close(value(network, softmax, x), expected, atol=1e-4, rtol=1e-4)
    cat = label("cat", softmax=True)
    captions = network.sentences([f"a photo of {'an' if n[0] in 'aeiou' else 'a'} {n}" for n in network.labels])
    expected = (f @ captions.T).log_softmax(1)[:, network.class_index("cat")]
    assert_close(value(network, cat, x), expected, atol=1e-4, rtol=1e-4)
    history = visualize(network, softmax, steps=8, cycles=()).history
    assert history[-1] < history[0]
    with pytest.raises(ValueError, match="softmax needs other sentences"):
        text("a cat", softmax=True)


@pytest.mark.parametrize(
    "shape, picture, axis",
    [
        ((2, 5), (224, 224), 1),
        ((2, 50, 768), (224, 224), 2),
        ((2, 768, 7, 7), (224, 224), 1),
        ((2, 7, 7, 768), (224, 224), 3),
        ((2, 7, 7, 7), (224, 224), 1),
        ((2, 64, 8, 12), (64, 96), 1),
        ((2, 8, 12, 64), (64, 96), 3),
        ((2, 9, 13, 64), (65, 97), 3),
        ((2, 7, 7, 64), (65, 97), 3),
        ((2, 512, 1, 1), (64, 64), 1),
        ((2, 1, 1, 512), (64, 64), 3),
        ((2, 4, 5, 6, 7), (64, 64), 1),
    ],
)
def test_which_axis_has_the_channels(shape, picture, axis):
    assert channel_axis(shape, (2, 3, *picture)) == axis


def test_tokens_first_and_as_many_as_pictures_is_no_guess():
    model = nn.Sequential(nn.Flatten(2), Turn(), nn.MultiheadAttention(3, 1))  # not batch_first
    with activation_hooks(Pretrained(model, 2), frozenset(["1"])) as look:
        assert look(torch.randn(3, 3, 2, 2))["1"].shape == (3, 4, 3)
        with pytest.raises(ValueError, match=r"1: two axes of its x_out \[4, 4, 3\] are as long as the batch"):
            look(torch.randn(4, 3, 2, 2))


class Turn(nn.Module):
    def forward(self, x):
        return x.permute(2, 0, 1)


def test_of_a_layer_that_is_called_twice_the_first_is_watched():
    relu = nn.ReLU()
    model = nn.Sequential(relu, nn.Conv2d(3, 3, 1), relu)
    x = torch.randn(1, 3, 4, 4)
    for others in (set(), {"1"}):
        with activation_hooks(Pretrained(model, 4), frozenset({"0"} | others)) as look:
            assert_close(look(x)["0"], x.relu())


def test_the_layers_are_listed_with_what_one_picture_gives(network):
    rows = {row.name: row for row in layers(network)}
    assert rows["conv.0"] == ("conv.0", "Conv2d", (6, 8, 8)) and rows["attention"].shape == (64, 6)
    assert rows["turned"].shape == (64, 6) and rows["last"].shape == (8, 8, 5) and rows["named"].shape == (6, 8, 8)
    assert rows["windows"].shape is None and rows["output"].shape == (4,) and "aside" not in rows
    assert [row.split() for row in table(layers(network)).splitlines()][:2] == [
        ["conv.0", "Conv2d", "6", "x", "8", "x", "8"], ["conv.1", "Tanh", "6", "x", "8", "x", "8"]
    ]  # fmt: skip
    assert "windows" in table(layers(network)) and layers(network, size=5)[0].shape == (6, 5, 5)
    assert not any(m._forward_hooks for m in network.model.modules()) and network.model.training
    given = [channels(network, layer) for layer in ("conv", "attention", "turned", "last", "output", PICTURE)]
    assert given == [6, 6, 6, 5, 4, 3] and channels(network, "conv", axis=-1) == 8


def test_listing_leaves_no_hooks_where_it_fails():
    model = nn.Sequential(nn.Conv2d(3, 4, 9), nn.ReLU())
    with pytest.raises(ValueError, match="cannot take pictures of 4 x 4 pixels"):
        layers(Pretrained(model, 4))
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize(
    "objective, error, message",
    [
        (channel("con", 1), ValueError, "con: the network has no such layer. Did you mean: conv"),
        (channel("con", 1), ValueError, "`chapter14 visualize --list MODEL` has all"),
        (channel("aside", 1), ValueError, "aside: a picture does not pass through this layer"),
        (channel("windows", 1), ValueError, "has no row for each of 1 pictures; a layer around it may have"),
        (channel("conv", 6), IndexError, "conv: there is no channel 6; it has 6, 0 to 5"),
        (neuron("conv", 1, 8, 0), IndexError, "conv: there is no row 8; it has 8, 0 to 7"),
        (neuron("conv", 1, 0, 9), IndexError, "conv: there is no column 9; it has 8, 0 to 7"),
        (neuron("output", 1, 0), IndexError, "output: there is no place (0, None)"),
        (channel("conv", 1, axis=4), ValueError, "conv: its x_out [1, 6, 8, 8] has no axis 4 besides its pictures"),
        (channel("conv", 1, axis=0), ValueError, "has no axis 0 besides its pictures"),
        (direction("conv", V[:4]), ValueError, "direction of conv: it has 4 entries, and the layer 6 channels"),
        (invert("conv", PHOTO, size=(4, 4)), ValueError, "Give the size of what is drawn, `size` (height, width)"),
        (label("tabbi"), ValueError, "class 'tabbi': the network does not have it. Its classes: tabby, crane"),
        (label("crane"), ValueError, "classes 1, 3 have this name; give the number"),
        (label("tabbi", softmax=True), ValueError, "Its classes: tabby, crane"),
        (label(4), ValueError, "class 4: the network has classes 0 to 3"),
        (own(lambda x: x.sum(), "conv"), ValueError, "expected one number for each of 1 pictures, [1]; it returned []"),
        (own(lambda x: 3), ValueError, "it returned int"),
        (text("a cat"), ValueError, "a text needs a network that reads; small does not"),
    ],
)
def test_what_cannot_be_raised_is_said(objective, error, message, network):
    with pytest.raises(error) as said:
        visualize(network, objective, steps=1, cycles=())
    assert message in str(said.value)
    assert not any(m._forward_hooks for m in network.model.modules())


def test_what_is_no_objective_is_said():
    for v in ([0.0, 0.0], [math.nan, 1.0], [[1.0]]):
        with pytest.raises(ValueError, match="direction of conv: expected a finite vector"):
            direction("conv", v)
    for picture in (PHOTO[None], PHOTO[:2], PHOTO * math.nan):
        with pytest.raises(ValueError, match="inversion of conv: the picture is"):
            invert("conv", picture)
    with pytest.raises(ValueError, match="nan times channel 1 of conv"):
        math.nan * channel("conv", 1)
    for wrong in ("2", None):
        with pytest.raises(TypeError):
            channel("conv", 1) * wrong
        with pytest.raises(TypeError):
            channel("conv", 1) + wrong


def test_a_reference_of_which_the_network_says_nothing_finite():
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    nn.init.constant_(model[0].bias, math.nan)
    with pytest.raises(ValueError, match="inversion of 0 for .*: the network's x_l for it is not finite"):
        visualize(model, invert("0", PHOTO), size=8, steps=1)


def test_objectives_of_other_tensors_have_other_names():
    assert direction("conv", V).name != direction("conv", -V).name
    assert invert("conv", PHOTO).name != invert("conv", -PHOTO).name


def test_a_class_of_a_map_of_classes_is_its_mean():
    model = torch.nn.Conv2d(3, 4, 3)
    x = torch.randn(2, 3, 8, 8)
    value = label(2).bind(Pretrained(model, 8))
    x_out = model(x)
    torch.testing.assert_close(value({"output": x_out, "picture": x}), x_out[:, 2].mean((1, 2)))


@pytest.mark.parametrize("error", [KeyError, AttributeError])
def test_whatever_a_network_fails_by_is_said_of_the_network(error):
    class Fails(torch.nn.Module):
        def forward(self, x):
            raise error("mine")

    with pytest.raises(ValueError, match=f"it cannot take pictures of 8 x 8 pixels. {error.__name__}"):
        layers(Pretrained(Fails(), 8))
