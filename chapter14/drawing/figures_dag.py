"""Figures 14.18 to 14.22, sections 14.7 to 14.9: branch, merge, shared parameters, and J as one block."""

from __future__ import annotations

from torch import Tensor

from .. import functional as F
from ..graph.block import Block
from ..lesson.examples import EXAMPLES
from .canvas import Canvas, Point, Rect
from .items import Box, Item, Matrix, Sign, column, draw_row, named_box, row
from .numbers import example, float64
from .style import BACK, DATA, GRADIENT, MUTED, PARAMS, shape_text

MIDDLES = (-2.1, 2.1)
STEP, FORK, LANE = 0.66, 0.2, 0.95  # of figure 14.20: down to the next node, more at a fork, and aside in its lanes
A, B, X = float64([0.5, -1]), float64([2]), float64([1, -0.5])
G_MERGED = float64([0.25, -0.75, 1.5])
G_A, G_B = float64([0.5, 1]), float64([-1.25, 0.5])


def merge_and_branch(canvas: Canvas) -> None:
    """14.18"""
    for middle, label in zip(MIDDLES, ("merge", "branch"), strict=True):
        canvas.text(middle, -1.4, label, weight="bold")
    _merge(canvas, MIDDLES[0], A, B, F.merge(A, B))
    a, b = F.branch(X)
    _branch(canvas, MIDDLES[1], X, a, b)


def merge_and_branch_backward(canvas: Canvas) -> None:
    """14.19"""
    merge, branch = Block(F.merge), Block(F.branch)
    merged, branched = merge.forward(A, B), branch.forward(X)
    g_a, g_b = merge.backward(G_MERGED)
    (g_in,) = branch.backward(G_A, G_B)
    assert g_a is not None and g_b is not None and g_in is not None, "all are floating-point tensors"
    for middle, label in zip(MIDDLES, ("forward", "backward"), strict=True):
        canvas.text(middle, -1.4, label, weight="bold")
    _merge(canvas, MIDDLES[0], A, B, merged)
    _merge(canvas, MIDDLES[1], g_a, g_b, G_MERGED, backward=True)
    canvas.text(MIDDLES[1] + 0.95, 0.75, "$g_{in}^a, g_{in}^b = \\mathrm{split}(g_{out})$", size=9.5)
    _branch(canvas, MIDDLES[0], X, branched[0], branched[1], y=2.75)
    _branch(canvas, MIDDLES[1], g_in, G_A, G_B, y=2.75, backward=True)
    canvas.text(MIDDLES[1] - 0.95, 3.5, "$g_{in} = g_{out}^a + g_{out}^b$", size=9.5)


def _merge(canvas: Canvas, x: float, a: Tensor, b: Tensor, out: Tensor, y: float = 0.0, backward: bool = False) -> None:
    letter, colour, arrange = ("g", BACK, row) if backward else ("x", DATA, column)
    box = Box("merge").draw(canvas, x, y)
    for value, name, dy, port in ((a, "a", -0.65, -0.12), (b, "b", 0.65, 0.12)):
        frame = arrange(f"${letter}_{{in}}^{name}$", value, colour).draw(canvas, x - 1.15, y + dy)
        _arrow(canvas, (frame.right + 0.02, y + dy), (box.left - 0.02, y + port), colour, backward)
    frame = arrange(f"${letter}_{{out}}$", out, colour).draw(canvas, x + (1.3 if backward else 1.1), y)
    _arrow(canvas, (box.right + 0.02, y), (frame.left - 0.02, y), colour, backward)


def _branch(
    canvas: Canvas, x: float, x_in: Tensor, a: Tensor, b: Tensor, y: float = 0.0, backward: bool = False
) -> None:
    letter, colour, arrange = ("g", BACK, row) if backward else ("x", DATA, column)
    box = Box("branch").draw(canvas, x, y)
    frame = arrange(f"${letter}_{{in}}$", x_in, colour).draw(canvas, x - 1.1, y)
    _arrow(canvas, (frame.right + 0.02, y), (box.left - 0.02, y), colour, backward)
    for value, name, dy, port in ((a, "a", -0.65, -0.12), (b, "b", 0.65, 0.12)):
        frame = arrange(f"${letter}_{{out}}^{name}$", value, colour).draw(canvas, x + 1.15, y + dy)
        _arrow(canvas, (box.right + 0.02, y + port), (frame.left - 0.02, y + dy), colour, backward)


def _arrow(canvas: Canvas, start: Point, end: Point, colour: str, backward: bool) -> None:
    canvas.arrow([end, start] if backward else [start, end], colour)


def dag(canvas: Canvas) -> None:
    """14.20"""
    for middle, label, values in zip(MIDDLES, ("forward", "backward"), example("dag"), strict=True):
        canvas.text(middle, -0.45, label, weight="bold")
        _graph(canvas, values, middle, backward=label == "backward")


def _graph(canvas: Canvas, values: dict[str, Tensor], middle: float, backward: bool) -> None:
    """The lesson's DAG from top to bottom. Values are rows, and θ and y are beside the layers that read them."""
    layers = EXAMPLES["dag"].layers
    (copied,) = (layer.reads[0] for layer in layers if layer.f == "branch")  # shown as its copies
    y, lane, frames = {"x_0": 0.0}, {"x_0": 0}, dict[str, Rect]()
    frames["x_0"] = _value_row(canvas, "x_0", values["x_0"], middle, 0.0, backward)
    for layer in layers:
        data = [name for name in layer.reads if name.startswith("x_")]
        top = max(y[name] for name in data) + STEP + FORK * (layer.f == "merge")
        label = {"h": "relu", "l2": "$L_2$"}.get(layer.f, layer.f)
        box = Box(label, w=0.62, h=0.4).draw(canvas, middle + LANE * layer.lane, top)
        for name in data:
            shift = 0.16 * (lane[name] - layer.lane)
            _line(canvas, (frames[name].x, frames[name].bottom + 0.02), (box.x + shift, box.top - 0.02), DATA, backward)
        for name in layer.reads:
            if name not in data:
                _beside(canvas, name, values[name], box, backward)
        for k, name in enumerate(layer.writes):
            lane[name] = 2 * k - 1 if layer.f == "branch" else layer.lane
            y[name] = top if name == copied else top + STEP + FORK * (layer.f == "branch")
            if name == copied:
                frames[name] = box
                continue
            frames[name] = _value_row(canvas, name, values[name], middle + LANE * lane[name], y[name], backward)
            start = (box.x + 0.16 * (lane[name] - layer.lane), box.bottom + 0.02)
            _line(canvas, start, (frames[name].x, frames[name].top - 0.02), DATA, backward)


def _line(canvas: Canvas, start: Point, end: Point, colour: str, backward: bool) -> None:
    """An arrow down, or up on the backward pass, where it is red."""
    colour = BACK if backward else colour
    curved = None if start[0] == end[0] else (0.0, -1.0 if backward else 1.0)
    canvas.arrow([end, start] if backward else [start, end], colour, curved=curved)


def _beside(canvas: Canvas, name: str, value: Tensor, box: Rect, backward: bool) -> None:
    """An input on the outer side of a layer."""
    if name.startswith("W"):
        side = 1 if name == "W_2" else -1
        label = f"$\\frac{{\\partial J}}{{\\partial {name}}}$" if backward else f"${name}$"
        colour = GRADIENT if backward else PARAMS
        frame = named_box(canvas, box.x + 0.83 * side, box.y, label, colour, tuple(value.shape), w=0.46, h=0.4)
    else:
        side, colour = -1, BACK if backward else DATA
        frame = row(f"$g_{name}$" if backward else f"${name}$", value, colour).draw(canvas, box.x - 1.1, box.y)
    x, layer = frame.x - side * (frame.w / 2 + 0.02), box.x + side * (box.w / 2 + 0.02)
    _arrow(canvas, (x, box.y), (layer, box.y), colour, backward)


def _value_row(canvas: Canvas, name: str, value: Tensor, x: float, y: float, backward: bool) -> Rect:
    """A value with its name on the left and its shape on the right, so that arrows reach it from above and below."""
    shown = name.replace("x_", "g_") if name.startswith("x_") else f"g_{name}"
    shown = shown if backward else name
    cells = row("", value, BACK if backward else DATA)
    frame = Matrix("", cells.values, cells.colour, show_shape=False).draw(canvas, x, y)
    canvas.text(frame.left - 0.2, y, f"${shown}$")
    canvas.text(frame.right + 0.27, y, shape_text(tuple(cells.values.shape)), size=8, colour=MUTED)
    canvas.numbers[shown] = cells.values
    return frame


def sharing(canvas: Canvas) -> None:
    """14.21"""
    _, g = example("shared")
    for middle, copies in zip(MIDDLES, (False, True), strict=True):
        _two_layers(canvas, middle, copies)
    canvas.text(0, -0.5, "=", size=14)
    items: list[Item] = [
        Matrix("$\\partial J/\\partial \\theta$", g["W"], GRADIENT), Sign("="),
        Matrix("$\\partial J/\\partial \\theta^1$", g["W^1"], GRADIENT), Sign("+"),
        Matrix("$\\partial J/\\partial \\theta^2$", g["W^2"], GRADIENT),
    ]  # fmt: skip
    draw_row(canvas, items, 1.45)


def _two_layers(canvas: Canvas, middle: float, copies: bool) -> None:
    first, second = (Box("$f$", w=0.6).draw(canvas, middle + dx, 0) for dx in (-0.75, 0.75))
    for start, end in ((first.x - 0.8, first.left), (first.right, second.left), (second.right, second.x + 0.8)):
        canvas.arrow([(start + 0.02, 0), (end - 0.02, 0)], DATA)
    theta = named_box(canvas, middle, -1.95 if copies else -1.15, "$\\theta$")
    if not copies:
        for layer, dx in ((first, -0.12), (second, 0.12)):
            canvas.arrow([(theta.x + dx, theta.bottom), (layer.x, layer.top - 0.02)], PARAMS)
        return
    branch = Box("branch", w=0.7, h=0.36).draw(canvas, middle, -1.4)
    canvas.arrow([(theta.x, theta.bottom), (theta.x, branch.top - 0.02)], PARAMS)
    for layer, side, name in ((first, -1, "1"), (second, 1, "2")):
        copy = named_box(canvas, layer.x, -0.72, f"$\\theta^{name}$")
        canvas.arrow([(middle + 0.2 * side, branch.bottom), (copy.x - 0.1 * side, copy.top - 0.01)], PARAMS)
        canvas.arrow([(copy.x, copy.bottom), (layer.x, layer.top - 0.02)], PARAMS)


def one_block(canvas: Canvas) -> None:
    """14.22"""
    x, g = example("data")
    for middle, label in zip(MIDDLES, ("forward", "backward"), strict=True):
        canvas.text(middle, -2.3, label, weight="bold")
    for middle, values, backward in ((MIDDLES[0], x, False), (MIDDLES[1], g, True)):
        block = Box("$J(x_0, y, \\theta)$", w=1.05, h=3.5).draw(canvas, middle + 0.65, 0)
        for name, y in (("x_0", -1.6), ("y", -0.88), ("W_1", 0.15), ("W_2", 1.4)):
            is_theta = name.startswith("W")
            colour = (GRADIENT if is_theta else BACK) if backward else (PARAMS if is_theta else DATA)
            symbol = f"\\partial J/\\partial {name}" if backward else name if is_theta else f"{name}^T"
            value = values[name] if is_theta else values[name].reshape(1, -1)
            frame = Matrix(f"${symbol}$", value, colour).draw(canvas, middle - 1.08, y)
            _arrow(canvas, (frame.right + 0.02, y), (block.left - 0.02, y), colour, backward)
        colour = BACK if backward else DATA
        frame = column("$g_J$" if backward else "$J$", values["J"], colour).draw(canvas, block.right + 0.55, 0)
        _arrow(canvas, (block.right + 0.02, 0), (frame.left - 0.02, 0), colour, backward)
