"""`chapter14.draw`: the graph of any model is what the model does, and the model is left as it was."""

import copy
import re

import pytest
import torch
from torch import nn as native

import chapter14
import chapter14.functional as F
import chapter14.nn as nn
from chapter14.drawing.layout import layout, ports
from chapter14.drawing.watch import network_of
from chapter14.models.load import load_network


def said(network):
    return [" ".join(node.said) for node in network.nodes]


def arrows(network):
    words = said(network)
    return [(words[a], words[b], along) for a, b, along in network.edges]


def test_a_residual_network():
    import torchvision

    model = torchvision.models.resnet18(weights=None)
    network = network_of(model, torch.randn(1, 3, 64, 64))
    words = said(network)
    assert words[:3] == ["x", "conv1 Conv2d [64 × 3 × 7 × 7]", "bn1 BatchNorm2d [64]"] and words[-1] == "x_out"
    assert words.count("add") == 8 and words.count("flatten") == 1
    layers = [w for w in words if re.match(r"(conv|bn|layer|relu|maxpool|avgpool|fc)", w)]
    assert len(layers) == 20 + 20 + 17 + 1 + 1 + 1  # convolutions, norms, relus, two pools, fc
    assert ("maxpool MaxPool2d", "layer1.0.conv1 Conv2d [64 × 64 × 3 × 3]", "[1 × 64 × 16 × 16]") in arrows(network)
    reads = [sum(b == i for _, b, _ in network.edges) for i in range(len(words))]
    assert sorted(set(reads)) == [0, 1, 2] and reads.count(2) == 8 and reads.count(0) == 1


def test_our_own_image_tower():
    tower = load_network("embedded").model.image
    network = network_of(tower, torch.randn(1, 3, 48, 48))
    words = said(network)
    modules = [m for m in tower.modules() if not list(m.children())]
    assert sum("." in w or w.startswith("out ") for w in words) == len(modules)
    assert words.count("branch") == 3 + 4 and words.count("merge") == 1 and words.count("add_n") == 4


def test_a_converted_network_has_the_same_graph():
    import torchvision

    model = torchvision.models.squeezenet1_1(weights=None)
    x = torch.randn(1, 3, 64, 64)
    ours, theirs = network_of(chapter14.convert(model), x), network_of(model, x)
    assert [e[:2] for e in ours.edges] == [e[:2] for e in theirs.edges] and len(ours.nodes) == len(theirs.nodes)


@pytest.mark.parametrize(
    "f, layers",
    [
        (lambda x: x.t().contiguous(), ["t"]),
        (lambda x: x.t().contiguous().view(-1), ["t", "view"]),
        (lambda x: x.exp().to(torch.float64).sin(), ["exp", "sin"]),
        (lambda x: torch.detach(input=x.exp()).sin(), ["exp", "sin"]),
        (lambda x: x.reshape(1, 3, 2, 2).contiguous(memory_format=torch.channels_last), ["reshape"]),
    ],
)
def test_the_same_numbers_elsewhere_are_no_layer(f, layers):
    assert said(network_of(f, torch.randn(3, 4))) == ["x", *layers, "x_out"]


def test_a_function():
    x = torch.randn(3, 3)
    network = network_of(lambda x: F.relu(x) + x.mT, x)
    assert arrows(network) == [
        ("x", "relu", "[3 × 3]"), ("x", "mT", "[3 × 3]"), ("relu", "add", "[3 × 3]"), ("mT", "add", "[3 × 3]"),
        ("add", "x_out", "[3 × 3]"),
    ]  # fmt: skip


def test_code_that_looks_at_its_data():
    class Looks(native.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = native.Linear(2, 3), native.Linear(2, 3)

        def forward(self, x):
            return self.a(x) if x.sum() > 0 else self.b(x)

    model = Looks()
    assert "a Linear [3 × 2]" in said(network_of(model, torch.ones(2)))
    assert "b Linear [3 × 2]" in said(network_of(model, -torch.ones(2)))


def test_parameters_that_are_no_layers_are_nodes():
    class Shift(native.Module):
        def __init__(self):
            super().__init__()
            self.shift = native.Parameter(torch.ones(2))

        def forward(self, x, other):
            return {"sum": x + self.shift, "product": x * other}

    network = network_of(Shift(), (torch.ones(2), torch.ones(2)))
    assert [node.said[0] for node in network.nodes if node.kind == "params"] == ["shift"]
    assert {("x_1", "add", "[2]"), ("shift", "add", "[2]"), ("x_2", "mul", "[2]")} <= set(arrows(network))
    assert {"x_out 1", "x_out 2"} <= set(said(network))


def test_in_place_forms():
    def f(x):
        y = x * 2
        y += x
        return y.relu_().unsqueeze_(0)

    assert said(network_of(f, torch.ones(2))) == ["x", "mul", "add", "relu", "unsqueeze", "x_out"]
    with chapter14.by_hand():
        network = network_of(f, torch.ones(2))
    assert network.nodes[-1].said == ("x_out",) and network.edges[-1][2] == "[1 × 2]"


def test_a_chain():
    chain = chapter14.Chain([nn.Linear(4, 3), nn.ReLU(), nn.LayerNorm(3)], F.l2_loss)
    network = network_of(chain, (torch.randn(5, 4), torch.randn(5, 3)))
    assert said(network) == ["x_0", "f_1 Linear [3 × 4]", "f_2 Relu", "f_3 LayerNorm [3]", "y", "loss", "J"]
    assert [along for *_, along in network.edges] == ["[5 × 4]", "[5 × 3]", "[5 × 3]", "[5 × 3]", "[5 × 3]", "[]"]


def test_a_graph():
    graph = chapter14.Graph(
        inputs="x y",
        layers={
            "z": (nn.Linear(4, 6), "x"),
            "a, b": (F.branch, "z"),
            "m": (F.merge, "a", "b"),
            "J": (F.l2_loss, "m", "y"),
        },
    )
    network = network_of(graph, {"x": torch.randn(4), "y": torch.randn(12)})
    assert ("branch", "merge", "a [6]") in arrows(network) and ("branch", "merge", "b [6]") in arrows(network)
    assert ("l2_loss", "J", "J []") in arrows(network)


def test_the_model_is_left_as_it_was():
    import torchvision

    model = torchvision.models.resnet18(weights=None).train()
    model.layer1.eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    hooked = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    drawn = torch.get_rng_state()
    chapter14.draw(model, torch.ones(1, 3, 64, 64))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes and torch.equal(drawn, torch.get_rng_state())
    with pytest.raises(RuntimeError):  # the model's own error, and then too
        chapter14.draw(model, torch.ones(1, 4, 64, 64))
    assert [m.training for m in model.modules()] == modes
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooked
    assert all(p.grad is None for p in model.parameters())


def test_it_is_written_and_is_the_same_each_time(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    x = torch.ones(4)
    picture = chapter14.draw(model, x, tmp_path / "a.svg")
    chapter14.draw(model, x, tmp_path / "a.png")
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert svg == picture._repr_svg_() == chapter14.draw(model, x).svg()
    assert {"0", "Linear [3 × 4]", "1", "ReLU", "[4]", "[3]"} <= set(re.findall(r"<!-- (.*?) -->", svg))
    assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"
    assert {p.name for p in tmp_path.iterdir()} == {"a.svg", "a.png"}


@pytest.mark.parametrize(
    "model, x, error, message",
    [
        (3, torch.ones(2), TypeError, "model is a module, a function, a Chain or a Graph; it was given 3"),
        (native.Linear, torch.ones(2), TypeError, "it was given <class 'torch.nn.modules.linear.Linear'>"),
        (torch.relu, 3, TypeError, "x is a tensor, or a tuple of what the model takes; it was given int"),
        (lambda x: 3, torch.ones(2), ValueError, "nothing that <lambda> gives comes from x"),
        (lambda x: x, torch.ones(2), ValueError, "nothing that <lambda> gives comes from x"),
        (chapter14.Chain([nn.ReLU()], F.l2_loss), torch.ones(2), TypeError, r"of a Chain, x is \(x0, y\)"),
        (
            chapter14.Graph("x", {"y": (F.relu, "x")}),
            torch.ones(2),
            TypeError,
            "of a Graph, x is a dict of its inputs, x",
        ),
    ],
)
def test_errors_are_in_the_words_of_the_call(model, x, error, message):
    with pytest.raises(error, match=f"draw: .*{message}"):
        chapter14.draw(model, x)


def test_a_file_of_another_kind(tmp_path):
    with pytest.raises(ValueError, match="a drawing's name ends in .svg or .png"):
        chapter14.draw(torch.relu, torch.ones(2), tmp_path / "a.jpg")


def test_in_a_layout_no_edge_goes_up_and_no_two_nodes_meet():
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d"), ("w", "c"), ("d", "e"), ("a", "e")]
    sizes = {name: (1.0, 0.5) for name in "abwcde"}
    placed = layout(sizes, edges, gap=(0.3, 0.2))
    assert all(placed.places[a][1] < placed.places[b][1] for a, b in edges)
    assert placed.places["w"][1] == placed.places["b"][1] - 0.7  # right before what reads it
    for rank in set(y for _, y in placed.places.values()):
        points = [x for x, y in placed.places.values() if y == rank]
        points += [
            x for way in placed.ways for (x, y), (_, below) in zip(way[::2], way[1::2], strict=True) if y < rank < below
        ]
        near = [b - a for a, b in zip(sorted(points), sorted(points)[1:], strict=False)]
        assert all(gap > 0.12 for gap in near)
    assert len(placed.ways[-1]) == 2 * 2 and placed.ways[0] == []  # two points for each rank that is passed


def test_ends_of_edges_at_a_node_are_apart_and_in_order():
    places = {"a": (-1.0, 0.0), "b": (1.0, 0.0), "c": (0.0, 1.0)}
    edges = [("b", "c"), ("a", "c")]
    (_, right), (_, left) = ports(places, edges, [[], []], {name: 0.5 for name in places})
    assert left < right and left == -right


def test_edges_of_one_value_share_their_way():
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d")]
    placed = layout({name: (1.0, 0.5) for name in "abcd"}, edges, values=[a for a, _ in edges])
    assert placed.ways[3] == placed.ways[4][:2] and len(placed.ways[4]) == 4
    beside = ports(placed.places, edges, placed.ways, {name: 0.5 for name in "abcd"})
    assert beside[3][0] == beside[4][0] != beside[0][0]
