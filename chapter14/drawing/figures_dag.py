"""Figures 14.18 to 14.22, sections 14.7 to 14.9: branch, merge, shared parameters, and J as one block."""

from __future__ import annotations

from torch import Tensor

from .. import functional as F
from ..graph.block import Block
from ..lesson.examples import EXAMPLES
from .canvas import Canvas, Point, Rect
from .items import Box, Item, Matrix, Sign, column, draw_row, named_box, row
from .layout import layout, ports
from .numbers import example, float64
from .style import BACK, DATA, GRADIENT, PARAMS

MIDDLES = (-2.1, 2.1)
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
    x, g = example("dag")
    _graph(canvas, x, 0.0, backward=False)
    _graph(canvas, g, 3.1, backward=True)


def _graph(canvas: Canvas, values: dict[str, Tensor], top: float, backward: bool) -> None:
    """The lesson's DAG from left to right. Values and layers are nodes; a branched value is shown as its copies."""
    layers = {f"{layer.f} {layer.writes[0]}": layer for layer in EXAMPLES["dag"].layers}
    (copied,) = (layer.reads[0] for layer in layers.values() if layer.f == "branch")
    sizes: dict[str, tuple[float, float]] = {}
    edges: list[tuple[str, str]] = []
    source: dict[str, str] = {}
    for layer_name, layer in layers.items():
        for name in layer.reads:
            sizes.setdefault(source.get(name, name), _room(values[name]))
        sizes[layer_name] = (0.5, 0.52)
        edges += [(source.get(name, name), layer_name) for name in layer.reads]
        for name in layer.writes:
            if name == copied:
                source[name] = layer_name
            else:
                sizes[name] = _room(values[name])
                edges.append((layer_name, name))
    placed = layout(dict(sizes), edges, gap=(0.2, 0.215))
    middle, frames = placed.ranks[-1] / 2, dict[str, Rect]()
    for name, (y, x) in ((name, placed.places[name]) for name in sizes):
        if name in layers:
            label = {"h": "relu", "l2": "$L_2$"}.get(layers[name].f, layers[name].f)
            frames[name] = Box(label, w=0.52, h=0.46, size=9.5).draw(canvas, x - middle, y + top)
        else:
            frames[name] = _value(canvas, name, values[name], x - middle, y + top, backward)
    offsets = ports(placed.places, edges, placed.routes, {name: 0.4 for name in sizes})
    for (a, b), (out, into) in zip(edges, offsets, strict=True):
        is_theta = a.startswith("W")
        colour = (GRADIENT if is_theta else BACK) if backward else (PARAMS if is_theta else DATA)
        ends = [(frames[a].right + 0.01, frames[a].y + out), (frames[b].left - 0.01, frames[b].y + into)]
        canvas.arrow(ends[::-1] if backward else ends, colour, curved=(-1, 0) if backward else (1, 0))


def _room(value: Tensor) -> tuple[float, float]:
    """(Across, along) of a value with its name and shape."""
    return (0.7, 0.42) if value.ndim == 2 else (0.27 * value.numel() + 0.44, 0.42)


def _value(canvas: Canvas, name: str, value: Tensor, x: float, y: float, backward: bool) -> Rect:
    if value.ndim == 2:
        label = f"$\\frac{{\\partial J}}{{\\partial {name}}}$" if backward else f"${name}$"
        return named_box(canvas, x, y, label, GRADIENT if backward else PARAMS, tuple(value.shape), w=0.42, h=0.4)
    g_name = name.replace("x_", "g_") if name.startswith("x_") else f"g_{name}"
    return column(f"${g_name if backward else name}$", value, BACK if backward else DATA).draw(canvas, x, y)


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
