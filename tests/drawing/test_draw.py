"""`chapter14.draw`: the graph of a model is right, and the model does not change."""

import copy
import re

import pytest
import torch
from torch import nn as native

import chapter14
import chapter14.functional as F
import chapter14.nn as nn
from chapter14.drawing.layout import layout, ports
from chapter14.drawing.trace import trace_model
from chapter14.models.load import load_network

pytestmark = pytest.mark.slow


def labels(graph):
    return [" ".join(node.lines) for node in graph.nodes]


def arrows(graph):
    words = labels(graph)
    return [(words[a], words[b], along) for a, b, along in graph.edges]


def test_a_residual_network():
    import torchvision

    model = torchvision.models.resnet18(weights=None)
    graph = trace_model(model, torch.randn(1, 3, 64, 64))
    words = labels(graph)
    assert words[:3] == ["x", "conv1 Conv2d [64 × 3 × 7 × 7]", "bn1 BatchNorm2d [64]"] and words[-1] == "x_out"
    assert words.count("add") == 8 and words.count("flatten") == 1
    layers = [w for w in words if re.match(r"(conv|bn|layer|relu|maxpool|avgpool|fc)", w)]
    assert len(layers) == 20 + 20 + 17 + 1 + 1 + 1  # convolutions, norms, relus, two pools, fc
    assert ("maxpool MaxPool2d", "layer1.0.conv1 Conv2d [64 × 64 × 3 × 3]", "[1 × 64 × 16 × 16]") in arrows(graph)
    reads = [sum(b == i for _, b, _ in graph.edges) for i in range(len(words))]
    assert sorted(set(reads)) == [0, 1, 2] and reads.count(2) == 8 and reads.count(0) == 1


def test_the_embedded_image_tower():
    tower = load_network("embedded").model.image
    graph = trace_model(tower, torch.randn(1, 3, 48, 48))
    words = labels(graph)
    modules = [m for m in tower.modules() if not list(m.children())]
    assert sum("." in w or w.startswith("out ") for w in words) == len(modules)
    residuals = sum(n - 1 for n in load_network("embedded").model.config.blocks)
    assert words.count("branch") == words.count("add") == residuals == 9


def test_a_converted_network_has_the_same_graph():
    import torchvision

    model = torchvision.models.squeezenet1_1(weights=None)
    x = torch.randn(1, 3, 64, 64)
    ours, theirs = trace_model(chapter14.convert(model), x), trace_model(model, x)
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
def test_functions_that_keep_the_values_are_no_layers(f, layers):
    assert labels(trace_model(f, torch.randn(3, 4))) == ["x", *layers, "x_out"]


def test_a_function():
    x = torch.randn(3, 3)
    graph = trace_model(lambda x: F.relu(x) + x.mT, x)
    assert arrows(graph) == [
        ("x", "relu", "[3 × 3]"), ("x", "mT", "[3 × 3]"), ("relu", "add", "[3 × 3]"), ("mT", "add", "[3 × 3]"),
        ("add", "x_out", "[3 × 3]"),
    ]  # fmt: skip


def test_a_branch_that_depends_on_the_data():
    class DataDependent(native.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = native.Linear(2, 3), native.Linear(2, 3)

        def forward(self, x):
            return self.a(x) if x.sum() > 0 else self.b(x)

    model = DataDependent()
    assert "a Linear [3 × 2]" in labels(trace_model(model, torch.ones(2)))
    assert "b Linear [3 × 2]" in labels(trace_model(model, -torch.ones(2)))


def test_parameters_outside_layers_are_nodes():
    class Shift(native.Module):
        def __init__(self):
            super().__init__()
            self.shift = native.Parameter(torch.ones(2))

        def forward(self, x, other):
            return {"sum": x + self.shift, "product": x * other}

    graph = trace_model(Shift(), (torch.ones(2), torch.ones(2)))
    assert [node.lines[0] for node in graph.nodes if node.kind == "params"] == ["shift"]
    assert {("x_1", "add", "[2]"), ("shift", "add", "[2]"), ("x_2", "mul", "[2]")} <= set(arrows(graph))
    assert {"x_out 1", "x_out 2"} <= set(labels(graph))


def test_in_place_functions():
    def f(x):
        y = x * 2
        y += x
        return y.relu_().unsqueeze_(0)

    assert labels(trace_model(f, torch.ones(2))) == ["x", "mul", "add", "relu", "unsqueeze", "x_out"]
    with chapter14.by_hand():
        graph = trace_model(f, torch.ones(2))
    assert graph.nodes[-1].lines == ("x_out",) and graph.edges[-1][2] == "[1 × 2]"


def test_a_chain():
    chain = chapter14.Chain([nn.Linear(4, 3), nn.ReLU(), nn.LayerNorm(3)], F.l2_loss)
    graph = trace_model(chain, (torch.randn(5, 4), torch.randn(5, 3)))
    assert labels(graph) == ["x_0", "f_1 Linear [3 × 4]", "f_2 Relu", "f_3 LayerNorm [3]", "y", "loss", "J"]
    assert [along for *_, along in graph.edges] == ["[5 × 4]", "[5 × 3]", "[5 × 3]", "[5 × 3]", "[5 × 3]", "[]"]


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
    graph = trace_model(graph, {"x": torch.randn(4), "y": torch.randn(12)})
    assert ("branch", "merge", "a [6]") in arrows(graph) and ("branch", "merge", "b [6]") in arrows(graph)
    assert ("l2_loss", "J", "J []") in arrows(graph)


def test_model_is_unchanged():
    import torchvision

    model = torchvision.models.resnet18(weights=None).train()
    model.layer1.eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    hooked = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    rng_state = torch.get_rng_state()
    chapter14.draw(model, torch.ones(1, 3, 64, 64))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes and torch.equal(rng_state, torch.get_rng_state())
    with pytest.raises(RuntimeError):  # the model's error also restores its state
        chapter14.draw(model, torch.ones(1, 4, 64, 64))
    assert [m.training for m in model.modules()] == modes
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooked
    assert all(p.grad is None for p in model.parameters())


def test_saved_files_are_deterministic(tmp_path):
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
        (3, torch.ones(2), TypeError, "model must be a module, a function, a Chain or a Graph, not 3"),
        (native.Linear, torch.ones(2), TypeError, "not <class 'torch.nn.modules.linear.Linear'>"),
        (torch.relu, 3, TypeError, "x must be a tensor or a tuple of the model's arguments, not int"),
        (lambda x: 3, torch.ones(2), ValueError, "no output of <lambda> is computed from x"),
        (lambda x: x, torch.ones(2), ValueError, "no output of <lambda> is computed from x"),
        (chapter14.Chain([nn.ReLU()], F.l2_loss), torch.ones(2), TypeError, r"for a Chain, x must be \(x0, y\)"),
        (
            chapter14.Graph("x", {"y": (F.relu, "x")}),
            torch.ones(2),
            TypeError,
            "for a Graph, x must be a dict of its inputs, x",
        ),
    ],
)
def test_errors_name_the_argument(model, x, error, message):
    with pytest.raises(error, match=f"draw: .*{message}"):
        chapter14.draw(model, x)


def test_an_unknown_file_ending(tmp_path):
    with pytest.raises(ValueError, match="the file name must end in .svg or .png"):
        chapter14.draw(torch.relu, torch.ones(2), tmp_path / "a.jpg")


def test_edges_point_down_and_nodes_do_not_overlap():
    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d"), ("w", "c"), ("d", "e"), ("a", "e")]
    sizes = {name: (1.0, 0.5) for name in "abwcde"}
    placed = layout(sizes, edges, gap=(0.3, 0.2))
    assert all(placed.places[a][1] < placed.places[b][1] for a, b in edges)
    assert placed.places["w"][1] == placed.places["b"][1] - 0.7  # right before its reader
    for rank in set(y for _, y in placed.places.values()):
        points = [x for x, y in placed.places.values() if y == rank]
        for route in placed.routes:
            points += [x for (x, y), (_, below) in zip(route[::2], route[1::2], strict=True) if y < rank < below]
        near = [b - a for a, b in zip(sorted(points), sorted(points)[1:], strict=False)]
        assert all(gap > 0.12 for gap in near)
    assert len(placed.routes[-1]) == 2 * 2 and placed.routes[0] == []  # two points for each rank crossed


def test_edge_ends_at_a_node_are_apart_and_in_order():
    places = {"a": (-1.0, 0.0), "b": (1.0, 0.0), "c": (0.0, 1.0)}
    edges = [("b", "c"), ("a", "c")]
    (_, right), (_, left) = ports(places, edges, [[], []], {name: 0.5 for name in places})
    assert left < right and left == -right


def test_edges_of_one_value_share_their_route():
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d")]
    placed = layout({name: (1.0, 0.5) for name in "abcd"}, edges, values=[a for a, _ in edges])
    assert placed.routes[3] == placed.routes[4][:2] and len(placed.routes[4]) == 4
    offsets = ports(placed.places, edges, placed.routes, {name: 0.5 for name in "abcd"})
    assert offsets[3][0] == offsets[4][0] != offsets[0][0]
