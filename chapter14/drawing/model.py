"""`draw`: the graph of any model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from .canvas import Canvas, Frame, Picture, styled
from .layout import layout, ports
from .style import DATA, LAYER, MUTED, ON, PAPER, PARAMS
from .watch import Network, Node, network_of

COLOURS = {"layer": LAYER, "data": DATA, "params": PARAMS}
LINE, PAD, SIZE = 0.17, 0.14, 9.0


def draw(model: Any, x: Any, file: str | Path | None = None) -> Picture:
    """The graph of what a model does with x: layers as boxes, with the shapes that go from one to the next.

    It runs the model once, in evaluation mode and without gradients, and watches. A module is left as it was; a `Chain`
    or a `Graph` then has this forward pass as its last. In a notebook, the picture shows itself.

    >>> draw(torchvision.models.resnet18(), torch.randn(1, 3, 224, 224), "resnet18.svg")
    >>> draw(chain, (x0, y)), draw(graph, {"x": x, "y": y}), draw(lambda x: F.relu(x) + x, x)

    Args:
        model: a module or a function, made of anything; a `Chain`, a `Graph`.
        x: a tensor, or a tuple of the model's arguments; of a `Chain` (x0, y), of a `Graph` its inputs by name.
        file: where it is written, as .svg or .png.

    Raises:
        TypeError: `model` is none of these, or x is not what it takes.
        ValueError: nothing that comes out can be traced back to x; the file's name says no format; or matplotlib is not
            installed.
    """
    picture = _drawn(network_of(model, x))
    if file is not None:
        picture.save(file)
    return picture


@styled
def _drawn(network: Network) -> Picture:
    sizes = {i: _size(node) for i, node in enumerate(network.nodes)}
    edges = [(a, b) for a, b, _ in network.edges]
    placed = layout(sizes, edges, gap=(0.28, 0.5), way=0.5, values=[(a, along) for a, _, along in network.edges])
    canvas, labels = Canvas(), set[tuple]()
    for i, node in enumerate(network.nodes):
        _node(canvas, node, Frame(*placed.places[i], *sizes[i]))
    users, reads = Counter(a for a, _ in edges), Counter(b for _, b in edges)
    beside = ports(placed.places, edges, placed.ways, {i: w - 0.1 for i, (w, _) in sizes.items()})
    for (a, b, along), way, (out, into) in zip(network.edges, placed.ways, beside, strict=True):
        (x, y), (u, v) = placed.places[a], placed.places[b]
        start, end = (x + out, y + sizes[a][1] / 2 + 0.01), (u + into, v - sizes[b][1] / 2 - 0.02)
        colour = PARAMS if network.nodes[a].kind == "params" else DATA
        canvas.arrow([start, *way, end], colour, curved=(0, 1), width=1.8)
        if reads[b] == 1:  # where no other edge comes: there is room
            place = (end[0], end[1] - 0.24)
        elif users[a] == 1:
            place = (start[0], start[1] + 0.15)
        else:
            place = _middle(way) if way else ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        if (along, place) not in labels:  # edges that share their way share what is said of it
            labels.add((along, place))
            canvas.text(*place, along, size=7.5, colour=MUTED, ground=PAPER)
    return canvas.picture()


def _middle(way: list[tuple[float, float]]) -> tuple[float, float]:
    """Of the rank that is passed halfway."""
    k = len(way) // 4 * 2
    return way[k][0], (way[k][1] + way[k + 1][1]) / 2


def _size(node: Node) -> tuple[float, float]:
    letters = max(len(line) for line in node.said)
    return max(0.5, round(letters * SIZE * 0.62 / 72 + PAD, 2)), LINE * len(node.said) + PAD


def _node(canvas: Canvas, node: Node, frame: Frame) -> None:
    canvas.box(frame, COLOURS[node.kind], round=0.05 if node.kind == "layer" else 0.2)
    weights = ["bold" if len(node.said) > 1 else "normal", *["normal"] * (len(node.said) - 1)]
    for i, (line, weight) in enumerate(zip(node.said, weights, strict=True)):
        canvas.text(frame.x, frame.y + (i - (len(node.said) - 1) / 2) * LINE, line, SIZE, ON, weight=weight)
