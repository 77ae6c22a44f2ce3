"""Figures 14.1 to 14.7, sections 14.1 to 14.4: computation graphs, a generic layer, forward and backward pass."""

from __future__ import annotations

from torch import Tensor

from ..graph.product_count import with_reuse, without_reuse
from .canvas import Canvas, Rect
from .items import (
    Box,
    Item,
    Matrix,
    Sign,
    column,
    draw_row,
    input_above,
    input_below,
    named_input_above,
    output_below,
    row,
    width,
)
from .numbers import chain, chain_jacobians, example
from .style import BACK, DATA, GRADIENT, MUTED, PARAMS, SHARED, two_decimals


def mlp(canvas: Canvas) -> None:
    """14.1"""
    x, _ = example("chain")
    items: list[Item] = [
        column("$x$", x["x_0"]), Box("linear"), column("$z$", x["x_1"]), Box("relu"), column("$h$", x["x_2"]),
        Box("linear"), column("$\\hat{y}$", x["x_3"]), Box("$L_2$"), column("$J$", x["J"]),
    ]  # fmt: skip
    frames = draw_row(canvas, items, 0, gap=0.3, arrows=DATA)
    for place, name in ((1, "W_1"), (5, "W_2")):
        named_input_above(canvas, f"${name}$", x[name], frames[place])
    input_below(canvas, column("$y$", x["y"]), frames[7])


def forward_of_a_layer(canvas: Canvas) -> None:
    """14.2"""
    x, _ = chain()
    items: list[Item] = [column("$x_{in}$", x["x_0"]), Box("$f$", w=0.9), column("$x_{out}$", x["x_1"])]
    frames = draw_row(canvas, items, 0, gap=0.55, arrows=DATA)
    input_above(canvas, Matrix("$\\theta$", x["theta_1"], PARAMS), frames[1])
    canvas.text(2.6, 0, "$x_{out} = f(x_{in}, \\theta)$")
    canvas.text(2.6, 0.3, "here $\\tanh(\\theta\\, x_{in})$", size=9, colour=MUTED)


def reuse(canvas: Canvas) -> None:
    """14.3"""
    x, g = chain()
    frames = _data_of_the_chain(canvas, x, 0.28)
    for l in (1, 2, 3):
        named_input_above(canvas, f"$\\theta_{l}$", x[f"theta_{l}"], frames[2 * l - 1])
    input_below(canvas, column("$y$", x["y"]), frames[7])
    _tree(canvas, 2.25)
    L_x, L_theta = chain_jacobians(x)
    for l, y in ((1, 3.3), (2, 4.4)):
        _chain_rule(canvas, l, y, g, L_x, L_theta)
    (_, without), (_, once) = (f(g["x_3"], L_x, L_theta) for f in (without_reuse, with_reuse))
    canvas.text(
        0, 5.2, f"Multiplications for the three parameter gradients: {without} with each chain rule on its own, "
        f"{once} when the grey product is reused.", size=9, colour=MUTED,
    )  # fmt: skip


def _data_of_the_chain(canvas: Canvas, x: dict, gap: float) -> list[Rect]:
    items: list[Item] = [column("$x_0$", x["x_0"])]
    for l in (1, 2, 3):
        items += [Box(f"$f_{l}$"), column(f"$x_{l}$", x[f"x_{l}"])]
    return draw_row(canvas, [*items, Box("$L_2$"), column("$J$", x["J"])], 0, gap=gap, arrows=DATA)


def _tree(canvas: Canvas, y: float) -> None:
    """The graph with data and parameters as nodes and functions as edges."""
    places = [-3.2, -1.6, 0.0, 1.6, 3.2]
    for l, x in enumerate(places):
        name = f"x_{l}" if l < 4 else "J"
        canvas.dot(x, y, DATA, f"${name}$")
        if l:
            canvas.arrow([(places[l - 1] + 0.2, y), (x - 0.21, y)], DATA)
            canvas.text((places[l - 1] + x) / 2, y + 0.16, f"$f_{l}$" if l < 4 else "$L_2$", size=9)
            leaf = f"\\theta_{l}" if l < 4 else "y"
            colour = PARAMS if l < 4 else DATA
            canvas.dot(x - 0.75, y - 0.45, colour, f"${leaf}$")
            canvas.arrow([(x - 0.57, y - 0.36), (x - 0.17, y - 0.11)], colour)


def _chain_rule(canvas: Canvas, l: int, y: float, g: dict, L_x: list[Tensor], L_theta: list[Tensor]) -> None:
    """The matrices of (14.2) or (14.3), with the shared factors on grey."""
    top = f"$\\partial J/\\partial \\theta_{l}$"
    items: list[Item] = [row(top, g[f"theta_{l}"], GRADIENT), Sign("="), row("$\\partial J/\\partial x_3$", g["x_3"])]
    for k in range(3, l, -1):
        items.append(Matrix(f"$\\partial x_{k}/\\partial x_{k - 1}$", L_x[k - 1], PARAMS))
    items.append(Matrix(f"$\\partial x_{l}/\\partial \\theta_{l}$", L_theta[l - 1], PARAMS))
    gap, pad = 0.17, 0.09
    left = -3.95 + width(items, gap) / 2
    first = -3.95 + items[0].w + items[1].w + 2 * gap
    both = items[2].w + items[3].w + gap
    canvas.box(Rect(first + both / 2, y, both + 2 * pad, 1.06), SHARED, outline=None, z=0.5)
    frames = draw_row(canvas, items, y, left, gap)
    if l == 2:
        value = ", ".join(two_decimals(v) for v in g["x_2"].tolist())
        canvas.text(frames[-1].right + 0.3, y, f"grey: $g_2$ = ({value})", size=9.5, align="left")


def generic_layer(canvas: Canvas) -> None:
    """14.4"""
    x, g = chain()
    dots = Sign("$\\cdots$", passed=True, w=0.3)
    items: list[Item] = [
        dots, column("$x_{in}$", x["x_1"]), Box("$f$", w=0.9), column("$x_{out}$", x["x_2"]), dots, Box("$L_2$"),
        column("$J$", x["J"]),
    ]  # fmt: skip
    frames = draw_row(canvas, items, 0, gap=0.42, arrows=DATA)
    input_above(canvas, Matrix("$\\theta$", x["theta_2"], PARAMS), frames[2])
    left, at, right, end = frames[1].x, frames[2], frames[3].x, frames[-1].x
    canvas.brace(left, right - 0.08, 0.58, "$L$")
    canvas.brace(right + 0.08, end, 0.58, "$g_{out}$")
    canvas.brace(left, end, 1.05, "$g_{in}$")
    L_x, L_theta = chain_jacobians(x)
    items = [
        row("$g_{in}$", g["x_1"]), Sign("="), row("$g_{out}$", g["x_2"]), Matrix("$L^x$", L_x[1], PARAMS),
        Sign("", w=0.3), Matrix("$L^\\theta$", L_theta[1], PARAMS),
    ]  # fmt: skip
    draw_row(canvas, items, 2.1, at.x + 1.1)


def backward_of_a_layer(canvas: Canvas) -> None:
    """14.5"""
    x, g = chain()
    L_x, L_theta = chain_jacobians(x)
    items: list[Item] = [row("$g_{in}$", g["x_1"]), Box("$f$ backward", w=2.1), row("$g_{out}$", g["x_2"])]
    frames = draw_row(canvas, items, 0, gap=0.5, arrows=BACK, backward=True)
    input_above(canvas, Matrix("$L^x$", L_x[1], PARAMS), frames[1], dx=-0.7)
    input_above(canvas, Matrix("$L^\\theta$", L_theta[1], PARAMS), frames[1], dx=0.75)
    output_below(canvas, row("$\\partial J/\\partial \\theta$", g["theta_2"].reshape(-1), GRADIENT), frames[1])
    canvas.text(2.4, 0.65, "$g_{in} = g_{out} L^x$")
    canvas.text(2.4, 1.0, "$\\partial J/\\partial \\theta = g_{out} L^\\theta$")


def forward_pass(canvas: Canvas) -> None:
    """14.6"""
    x, _ = chain()
    frames = _data_of_the_chain(canvas, x, 0.32)
    for l in (1, 2, 3):
        input_above(canvas, Matrix(f"$\\theta_{l}$", x[f"theta_{l}"], PARAMS), frames[2 * l - 1])
    input_above(canvas, column("$y$", x["y"]), frames[7], DATA)


def backward_pass(canvas: Canvas) -> None:
    """14.7"""
    _, g = chain()
    items: list[Item] = [row("$g_0$", g["x_0"])]
    for l in (1, 2, 3):
        items += [Box(f"$f'_{l}$", w=0.5), row(f"$g_{l}$", g[f"x_{l}"])]
    items += [Box("$L'_2$", w=0.5), row("$g_J$", g["J"])]
    frames = draw_row(canvas, items, 0, gap=0.23, arrows=BACK, backward=True)
    for l in (1, 2, 3):
        name = f"$\\partial J/\\partial \\theta_{l}$"
        output_below(canvas, Matrix(name, g[f"theta_{l}"], GRADIENT), frames[2 * l - 1])
