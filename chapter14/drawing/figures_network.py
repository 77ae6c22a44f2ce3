"""Figure 14.17, section 14.6.5: forward and backward as one bigger network, as `forward_backward` records it."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, fx

from .. import functional as F
from .. import nn
from ..graph.joint.network import forward_backward
from ..graph.joint.recording import Recorded
from .canvas import Canvas, Rect
from .items import Box, Matrix, column
from .numbers import example, float64
from .style import BACK, DATA, GRADIENT, PARAMS

COLOURS = {"params forward": PARAMS, "data forward": DATA, "data backward": BACK, "params backward": GRADIENT}
PITCH = 1.09  # distance between layers
BOX_W = 0.58
THETA, FORWARD, BACKWARD, OUTER, GRADIENTS = 0.0, 1.3, 2.85, 4.0, 5.0  # the rows, from the top


def recorded_network() -> tuple[Recorded, dict[str, Tensor]]:
    """The forward-backward network of a three-layer MLP, and all its values by name."""
    x, _ = example("chain")
    weights = [x["W_1"], float64([[0.9, -0.3, 0.5], [0.2, 0.7, -0.6], [-0.8, 0.4, 1]]), x["W_2"]]
    linear = [nn.Linear(W.shape[1], W.shape[0], bias=False).double() for W in weights]
    for layer, W in zip(linear, weights, strict=True):
        layer.load_state_dict({"weight": W})
    model = nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    network = forward_backward(model, F.l2_loss, x["x_0"], x["y"]).latest
    values = _Values(network.module)
    with torch.no_grad():
        values.run(x["x_0"], x["y"], *weights)
    return network, values.found


class _Values(fx.Interpreter):
    def __init__(self, module: fx.GraphModule):
        super().__init__(module)
        self.found: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        self.found[n.name] = value = super().run_node(n)
        return value


def edges(network: Recorded) -> list[tuple[fx.Node, fx.Node]]:
    """The edges between x, y, θ, J, g and dJ/dθ, without the transposes and masks between them."""
    found = []
    for node in network.module.graph.nodes:
        if _is_shown(node):
            ahead, seen = list(node.all_input_nodes), []
            while ahead:
                before = ahead.pop(0)
                if not _is_shown(before):
                    ahead += before.all_input_nodes
                elif before not in seen:
                    seen.append(before)
            found += [(before, node) for before in seen]
    return found


def _is_shown(node: fx.Node) -> bool:
    return bool(re.fullmatch(r"[xg]_\d+|y|J|g_J|theta_.*|dJ_dtheta_.*", node.name))


def bigger_network(canvas: Canvas) -> None:
    """14.17"""
    network, values = recorded_network()
    nodes = {node.name: node for node in network.module.graph.nodes if _is_shown(node)}
    places = {name: _place(node, network.L) for name, node in nodes.items()}
    frames = {name: _draw_node(canvas, nodes[name], values[name], *place, network.L) for name, place in places.items()}
    for before, node in edges(network):
        _draw_edge(canvas, before, node, frames, network.L)
    _draw_ends(canvas, frames, values, network.L)
    _draw_legend(canvas, GRADIENTS + 0.95)


def _column(name: str, L: int) -> int:
    """The column of the layer that computes x_l or J."""
    return L + 1 if name == "J" else int(name.removeprefix("x_"))


def _place(node: fx.Node, L: int) -> tuple[float, float]:
    """A backward layer is below its forward layer, and θ above."""
    name = node.name
    if name == "g_J":
        return PITCH * (L + 2), BACKWARD
    if name.startswith(("g_", "dJ_")):
        return PITCH * _column(node.meta["of"], L), BACKWARD if name.startswith("g_") else OUTER
    if name.startswith("theta_"):
        reader = next(user for user in node.users if user.name.startswith("x_"))
        return PITCH * _column(reader.name, L), THETA
    return (PITCH * (L + 1), THETA) if name == "y" else (PITCH * _column(name, L), FORWARD)


def _draw_node(canvas: Canvas, node: fx.Node, value: Tensor, x: float, y: float, L: int) -> Rect:
    name = node.name
    if name == "x_0":
        return column("$x_0$", value).draw(canvas, x, y)
    if name == "y":
        return column("$y$", value).draw(canvas, x, y)
    if name == "g_J":
        return column("$g_J$", value, BACK).draw(canvas, x, y)
    if name.startswith("theta_"):
        return Matrix(f"$W_{_number(node)}$", value, PARAMS).draw(canvas, x, y)
    if name.startswith("dJ_"):
        W = f"$\\partial J/\\partial W_{_number(node)}$"
        frame = Box("outer", w=BOX_W, h=0.38).draw(canvas, x, y)
        cells = Matrix(W, value, GRADIENT).draw(canvas, x, GRADIENTS)
        canvas.arrow([(x, frame.bottom), (x, cells.top - 0.24)], GRADIENT, dotted=True)
        return frame
    layer = node.meta["layer"]
    label = "$L_2$" if name == "J" else layer.title or layer.__name__.lower()
    return Box(label, w=BOX_W, h=0.44).draw(canvas, x, y)


def _number(node: fx.Node) -> int:
    """The linear layer of a θ: modules 0, 2 and 4 are layers 1, 2 and 3."""
    return int(node.meta["name" if "name" in node.meta else "theta"].split(".")[0]) // 2 + 1


def _draw_edge(canvas: Canvas, before: fx.Node, node: fx.Node, frames: dict[str, Rect], L: int) -> None:
    a, b, colour = frames[before.name], frames[node.name], COLOURS[before.meta["kind"]]
    from_data, to_data = (n.meta["kind"] == "data forward" for n in (before, node))
    if node.name.startswith("dJ_"):  # branches off in the middle of an edge
        side, y = (-1, FORWARD) if from_data else (1, BACKWARD)
        x = b.x + side * PITCH / 2
        crossed = [(x, BACKWARD)] if from_data else []
        ends = [(x, y), (x, b.y), (b.x + side * (b.w / 2 + 0.02), b.y)]
        canvas.arrow(ends, colour, dotted=True, over=crossed)
        _label(canvas, x + 0.17 * side, (BACKWARD + OUTER) / 2, before)
    elif before.name.startswith("theta_") or before.name == "y":
        if to_data:
            canvas.arrow([(b.x, a.bottom + 0.25), (b.x, b.top - 0.02)], colour)
        else:  # past the forward layer
            x = b.right + 0.165
            start = [(x, a.bottom + 0.02)] if a.right > x else [(a.right + 0.02, a.y), (x, a.y)]
            canvas.arrow([*start, (x, FORWARD + 0.6), (b.x + 0.16, b.top - 0.02)], colour, over=[(x, FORWARD)])
            _label(canvas, x - 0.19, FORWARD + 0.45, before)
    elif from_data and not to_data:
        x = b.x - PITCH / 2 + 0.05
        canvas.arrow([(x, FORWARD), (x, FORWARD + 0.6), (b.x - 0.14, b.top - 0.02)], colour)
        _label(canvas, x + 0.17, FORWARD + 0.45, before)
    elif from_data:
        canvas.arrow([(a.right + 0.02, a.y), (b.left - 0.02, b.y)], colour)
        if before.name != "x_0":
            _label(canvas, (a.right + b.left) / 2 + 0.06, a.y - 0.15, before)
    else:
        canvas.arrow([(a.left - 0.02, a.y), (b.right + 0.02, b.y)], colour)
        if before.name != "g_J":
            _label(canvas, (a.left + b.right) / 2 + 0.15, a.y - 0.15, before)


def _label(canvas: Canvas, x: float, y: float, node: fx.Node) -> None:
    """The name of the value that a line carries."""
    name = f"W_{_number(node)}" if node.name.startswith("theta_") else node.name
    canvas.text(x, y, f"${name}$", size=9)


def _draw_ends(canvas: Canvas, frames: dict[str, Rect], values: dict[str, Tensor], L: int) -> None:
    """J at the end of the forward pass, and g_0 at the end of the backward pass."""
    J = column("$J$", values["J"]).draw(canvas, PITCH * (L + 2), FORWARD)
    canvas.arrow([(frames["J"].right + 0.02, FORWARD), (J.left - 0.02, FORWARD)], DATA)
    g_0 = column("$g_0$", values["g_0"], BACK).draw(canvas, 0.0, BACKWARD)
    canvas.arrow([(frames["g_0"].left - 0.02, BACKWARD), (g_0.right + 0.02, BACKWARD)], BACK)


def _draw_legend(canvas: Canvas, y: float) -> None:
    for i, (kind, colour) in enumerate(COLOURS.items()):
        x = 0.35 + 1.95 * i
        canvas.arrow([(x - 0.3, y), (x, y)], colour, dotted=kind == "params backward")
        canvas.text(x + 0.08, y, kind, size=9, align="left")
