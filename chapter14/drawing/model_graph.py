"""`draw`: the graph of a model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from .canvas import Canvas, Picture, Rect, with_default_style
from .layout import layout, ports
from .style import DATA, LAYER, MUTED, ON_COLOUR, PAPER, PARAMS
from .trace import GraphNode, ModelGraph, trace_model

COLOURS = {"layer": LAYER, "data": DATA, "params": PARAMS}
LINE, PAD, SIZE = 0.17, 0.14, 9.0


def draw(model: Any, x: Any, file: str | Path | None = None) -> Picture:
    """Draws the computation graph of a model: layers as boxes, and the shapes of the tensors between them.

    The model runs once on x, in evaluation mode and without gradients. A module does not change; a `Chain` or a `Graph`
    keeps the values of this forward pass. In a notebook, the result displays as an image.

    >>> draw(torchvision.models.resnet18(), torch.randn(1, 3, 224, 224), "resnet18.svg")
    >>> draw(chain, (x0, y)), draw(graph, {"x": x, "y": y}), draw(lambda x: F.relu(x) + x, x)

    Args:
        model: a module, a function, a `Chain` or a `Graph`.
        x: a tensor or a tuple of arguments; for a `Chain` (x0, y); for a `Graph` its inputs by name.
        file: where to save the picture, as .svg or .png.

    Raises:
        TypeError: `model` or x is of another type.
        ValueError: no output depends on x; `file` has another ending; or matplotlib is not installed.
    """
    picture = _draw(trace_model(model, x))
    if file is not None:
        picture.save(file)
    return picture


@with_default_style
def _draw(graph: ModelGraph) -> Picture:
    sizes = {i: _size(node) for i, node in enumerate(graph.nodes)}
    edges = [(a, b) for a, b, _ in graph.edges]
    values = [(a, along) for a, _, along in graph.edges]
    placed = layout(sizes, edges, gap=(0.28, 0.5), waypoint_width=0.5, values=values)
    canvas, written = Canvas(), set[tuple]()
    for i, node in enumerate(graph.nodes):
        _draw_node(canvas, node, Rect(*placed.places[i], *sizes[i]))
    users, reads = Counter(a for a, _ in edges), Counter(b for _, b in edges)
    offsets = ports(placed.places, edges, placed.routes, {i: w - 0.1 for i, (w, _) in sizes.items()})
    for (a, b, along), route, (out, into) in zip(graph.edges, placed.routes, offsets, strict=True):
        (x, y), (u, v) = placed.places[a], placed.places[b]
        start, end = (x + out, y + sizes[a][1] / 2 + 0.01), (u + into, v - sizes[b][1] / 2 - 0.02)
        colour = PARAMS if graph.nodes[a].kind == "params" else DATA
        canvas.arrow([start, *route, end], colour, curved=(0, 1), width=1.8)
        if reads[b] == 1:  # no other edge ends here, so there is room
            place = (end[0], end[1] - 0.24)
        elif users[a] == 1:
            place = (start[0], start[1] + 0.15)
        else:
            place = _middle(route) if route else ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        if (along, place) not in written:  # edges that share a route share its label
            written.add((along, place))
            canvas.text(*place, along, size=7.5, colour=MUTED, background=PAPER)
    return canvas.picture()


def _middle(route: list[tuple[float, float]]) -> tuple[float, float]:
    """The centre of the middle rank that a route crosses."""
    k = len(route) // 4 * 2
    return route[k][0], (route[k][1] + route[k + 1][1]) / 2


def _size(node: GraphNode) -> tuple[float, float]:
    letters = max(len(line) for line in node.lines)
    return max(0.5, round(letters * SIZE * 0.62 / 72 + PAD, 2)), LINE * len(node.lines) + PAD


def _draw_node(canvas: Canvas, node: GraphNode, frame: Rect) -> None:
    canvas.box(frame, COLOURS[node.kind], round=0.05 if node.kind == "layer" else 0.2)
    weights = ["bold" if len(node.lines) > 1 else "normal", *["normal"] * (len(node.lines) - 1)]
    for i, (line, weight) in enumerate(zip(node.lines, weights, strict=True)):
        canvas.text(frame.x, frame.y + (i - (len(node.lines) - 1) / 2) * LINE, line, SIZE, ON_COLOUR, weight=weight)
