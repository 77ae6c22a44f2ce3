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
PITCH = 1.06  # distance between layers
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
        frame = Box("outer", w=0.62, h=0.38).draw(canvas, x, y)
        cells = Matrix(W, value, GRADIENT).draw(canvas, x, GRADIENTS)
        canvas.arrow([(x, frame.bottom), (x, cells.top - 0.24)], GRADIENT, dotted=True)
        return frame
    layer = node.meta["layer"]
    label = "$L_2$" if name == "J" else layer.title or layer.__name__.lower()
    return Box(label, w=0.62, h=0.44).draw(canvas, x, y)


def _number(node: fx.Node) -> int:
    """The linear layer of a θ: modules 0, 2 and 4 are layers 1, 2 and 3."""
    return int(node.meta["name" if "name" in node.meta else "theta"].split(".")[0]) // 2 + 1


def _draw_edge(canvas: Canvas, before: fx.Node, node: fx.Node, frames: dict[str, Rect], L: int) -> None:
    a, b, colour = frames[before.name], frames[node.name], COLOURS[before.meta["kind"]]
    dotted = node.meta["kind"] == "params backward"
    if node.name.startswith("dJ_"):  # branches off in the middle of an edge
        side = -1 if before.meta["kind"] == "data forward" else 1
        x = b.x + (-0.6 if side < 0 else PITCH / 2)
        y = FORWARD if side < 0 else BACKWARD
        canvas.arrow([(x, y), (x, b.y), (b.x + side * (b.w / 2 + 0.02), b.y)], colour, dotted=dotted)
    elif before.name.startswith("theta_") or before.name == "y":
        if node.name.startswith("g_"):  # past the forward layer
            past, end, start = b.x - 0.48, b.x - 0.16, [(b.x - 0.48, a.bottom + 0.25)]
            if before.name == "y":
                past, end, start = b.x + 0.42, b.x + 0.16, [(a.right + 0.02, a.y), (b.x + 0.42, a.y)]
            canvas.arrow([*start, (past, FORWARD + 0.4), (end, b.top - 0.02)], colour)
        else:
            canvas.arrow([(b.x, a.bottom + 0.25), (b.x, b.top - 0.02)], colour)
    elif before.meta["kind"] == "data forward" and node.meta["kind"] == "data backward":
        x = b.x - PITCH / 2
        canvas.arrow([(x, FORWARD), (x, FORWARD + 0.55), (b.x - 0.1, b.top - 0.02)], colour)
    elif before.meta["kind"] == "data forward":
        canvas.arrow([(a.right + 0.02, a.y), (b.left - 0.02, b.y)], colour)
        if before.name != "x_0":
            canvas.text((a.right + b.left) / 2 - 0.09, a.y - 0.14, f"$x_{before.name[2:]}$", size=9)
    else:
        canvas.arrow([(a.left - 0.02, a.y), (b.right + 0.02, b.y)], colour)
        if before.name != "g_J":
            canvas.text((a.left + b.right) / 2 + 0.08, a.y - 0.14, f"$g_{before.name[2:]}$", size=9)


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
