"""Figures 14.8 to 14.16, section 14.6: linear, pointwise and loss layers, and an MLP."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence

import torch
from torch import Tensor

from .. import functional as F
from ..graph import mlp as algorithms
from ..layer.jacobians import jacobian
from .canvas import Canvas
from .items import Box, Item, Matrix, Sign, column, draw_row, input_above, output_below, row
from .numbers import G_OUT, X_IN, OneLayer, W, b, example, float64, linear, run_layer
from .style import BACK, DATA, GRADIENT, INK, MUTED, PARAMS, two_decimals

MIDDLES = (-2.1, 2.1)  # of the forward pass and the backward pass, side by side


def products_of_linear(canvas: Canvas) -> None:
    """14.8"""
    layer = run_layer(lambda x, W: F.linear(x, W), X_IN, G_OUT, W)
    _headings(canvas, -0.95)
    forward: list[Item] = [
        column("$x_{out}$", layer.x_out), Sign("="), Matrix("$W$", W, PARAMS), column("$x_{in}$", X_IN)
    ]  # fmt: skip
    backward: list[Item] = [row("$g_{in}$", layer.g_in), Sign("="), row("$g_{out}$", G_OUT), Matrix("$W$", W, PARAMS)]
    draw_row(canvas, forward, 0, MIDDLES[0], gap=0.16)
    draw_row(canvas, backward, 0, MIDDLES[1], gap=0.16)


def product_of_the_gradient(canvas: Canvas) -> None:
    """14.9"""
    dJdW = _present(linear().gradients[0]).mT  # [N x M], as in the chapter
    name = "$\\partial J/\\partial W$"
    items: list[Item] = [Matrix(name, dJdW, GRADIENT), Sign("="), column("$x_{in}$", X_IN), row("$g_{out}$", G_OUT)]
    draw_row(canvas, items, 0)


def linear_layer(canvas: Canvas) -> None:
    """14.10"""
    layer = linear()
    dJdW, dJdb = map(_present, layer.gradients)
    _headings(canvas, -2.25)
    forward: list[Item] = [column("$x_{in}$", X_IN), Box("linear"), column("$x_{out}$", layer.x_out)]
    _, frame, _ = draw_row(canvas, forward, 0, MIDDLES[0], gap=0.35, arrows=DATA)
    input_above(canvas, Matrix("$W$", W, PARAMS), frame, dx=-0.4, reach=0.5, to=-0.15)
    input_above(canvas, column("$b$", b, PARAMS), frame, dx=0.75, reach=0.5, to=0.18)
    canvas.text(MIDDLES[0], 0.85, "$x_{out} = W x_{in} + b$")
    backward: list[Item] = [row("$g_{in}$", layer.g_in), Box("linear"), row("$g_{out}$", G_OUT)]
    _, frame, _ = draw_row(canvas, backward, 0, MIDDLES[1], gap=0.3, arrows=BACK, backward=True)
    input_above(canvas, Matrix("$W$", W, PARAMS), frame, dx=-0.4, reach=0.5, to=-0.15)
    input_above(canvas, column("$x_{in}$", X_IN), frame, DATA, dx=0.75, reach=0.5, to=0.18)
    output_below(canvas, Matrix("$\\partial J/\\partial W$", dJdW, GRADIENT), frame, dx=-0.4, reach=0.45, to=-0.15)
    output_below(canvas, row("$\\partial J/\\partial b$", dJdb, GRADIENT), frame, dx=0.95, reach=0.45, to=0.18)
    canvas.text(MIDDLES[1] - 1.1, 2.1, "$g_{in} = g_{out} W$")
    of_theta = "$\\partial J/\\partial W = (x_{in}\\, g_{out})^T,\\;\\; \\partial J/\\partial b = g_{out}$"
    canvas.text(MIDDLES[1] + 0.75, 2.1, of_theta)


def code_of_linear(canvas: Canvas) -> None:
    """14.11"""
    layer = algorithms.LinearBlock(W, b)
    x_out = layer.forward(X_IN)
    g_in, dJdW, dJdb = layer.backward(G_OUT)
    lines = inspect.getsource(algorithms.LinearBlock).rstrip().splitlines()
    lines += ["", "# with the numbers of figure 14.10:", ">>> layer = LinearBlock(W, b)"]
    lines += [f">>> layer.forward(x_in)   # {_list_text(x_out)}"]
    lines += [f">>> layer.backward(g_out) # {_list_text(g_in)}, {_list_text(dJdW)}, {_list_text(dJdb)}"]
    for i, line in enumerate(lines):
        code, comment = _split_comment(line)
        x, y = 0.0711 * (len(line) - len(line.lstrip())), 0.195 * i
        for label, colour in ((code, MUTED if code.startswith('"""') else INK), (comment, MUTED)):
            if label:
                frame = canvas.text(x, y, label, 8.5, colour, align="left", family="DejaVu Sans Mono")
                x = frame.right + 0.13


def product_of_pointwise(canvas: Canvas) -> None:
    """14.12"""
    layer, H = _relu()
    items: list[Item] = [
        row("$g_{in}$", layer.g_in), Sign("="), row("$g_{out}$", layer.g_out), Matrix("$H'$", H, PARAMS)
    ]  # fmt: skip
    draw_row(canvas, items, 0, -0.6)
    canvas.text(2.75, -0.12, "diagonal: $h'(x_{in}[i])$", size=9.5)
    canvas.text(2.75, 0.18, f"$x_{{in}}$ = ({_list_text(layer.x_in)[1:-1]})", size=9.5)


def pointwise_layer(canvas: Canvas) -> None:
    """14.13"""
    layer, _ = _relu()
    _headings(canvas, -2.05)
    forward: list[Item] = [column("$x_{in}$", layer.x_in), Box("relu"), column("$x_{out}$", layer.x_out)]
    draw_row(canvas, forward, 0, MIDDLES[0], gap=0.4, arrows=DATA)
    canvas.text(MIDDLES[0], 0.95, "$x_{out}[i] = h(x_{in}[i])$")
    backward: list[Item] = [row("$g_{in}$", layer.g_in), Box("relu"), row("$g_{out}$", layer.g_out)]
    _, frame, _ = draw_row(canvas, backward, 0, MIDDLES[1], gap=0.22, arrows=BACK, backward=True)
    input_above(canvas, column("$x_{in}$", layer.x_in), frame, DATA)
    canvas.text(MIDDLES[1], 0.95, "$g_{in}[i] = g_{out}[i]\\, h'(x_{in}[i])$")


def loss_layer(canvas: Canvas) -> None:
    """14.14"""
    y_hat, y = float64([0.75, -0.5]), float64([0.5, 1])
    layer = run_layer(lambda y_hat, y: F.l2_loss(y_hat, y), y_hat, torch.ones((), dtype=torch.float64), y)
    _headings(canvas, -1.8)
    forward: list[Item] = [column("$\\hat{y}$", y_hat), Box("$L_2$"), column("$J$", layer.x_out)]
    _, frame, _ = draw_row(canvas, forward, 0, MIDDLES[0], gap=0.4, arrows=DATA)
    input_above(canvas, column("$y$", y), frame, DATA)
    canvas.text(MIDDLES[0], 0.8, "$J = \\|\\hat{y} - y\\|_2^2$")
    backward: list[Item] = [row("$g_{in}$", layer.g_in), Box("$L_2$"), row("$g_{out}$", layer.g_out)]
    _, frame, _ = draw_row(canvas, backward, 0, MIDDLES[1], gap=0.4, arrows=BACK, backward=True)
    input_above(canvas, row("$\\hat{y} - y$", y_hat - y, DATA), frame, DATA)
    canvas.text(MIDDLES[1], 0.8, "$g_{in} = g_{out} \\ast 2(\\hat{y} - y)$")


def forward_through_an_mlp(canvas: Canvas) -> None:
    """14.15"""
    x, _ = example("chain")
    products: list[list[Item]] = [
        [column("$z$", x["x_1"]), Sign("="), Matrix("$W_1$", x["W_1"], PARAMS), column("$x$", x["x_0"])],
        [column("$h$", x["x_2"]), Sign("= relu", w=0.55), column("$z$", x["x_1"])],
        [column("$\\hat{y}$", x["x_3"]), Sign("="), Matrix("$W_2$", x["W_2"], PARAMS), column("$h$", x["x_2"])],
        [column("$J$", x["J"]), Sign("= ‖", w=0.35), column("$\\hat{y}$", x["x_3"]), Sign("−"), column("$y$", x["y"]),
         Sign("‖²")],
    ]  # fmt: skip
    _two_by_two(canvas, products)


def backward_through_an_mlp(canvas: Canvas) -> None:
    """14.16"""
    x, g = example("chain")
    mlp = algorithms.mlp()
    for f, name in ((mlp.layers[0], "W_1"), (mlp.layers[2], "W_2")):
        f.W, f.theta = x[name], [x[name]]
    mlp.forward(x["x_0"], x["y"])
    W_2, H, W_1 = algorithms.backward_network(mlp)
    g_y, g_h, g_z, g_x = (g[name].reshape(-1, 1) for name in ("x_3", "x_2", "x_1", "x_0"))
    products: list[list[Item]] = [
        [_g("\\hat{y}", g_y), Sign("= 2 (", w=0.42), column("$\\hat{y}$", x["x_3"]), Sign("−"), column("$y$", x["y"]),
         Sign(")")],
        [_g("h", g_h), Sign("="), Matrix("$W_2^T$", W_2, PARAMS), _g("\\hat{y}", g_y)],
        [_g("z", g_z), Sign("="), Matrix("$H'$", H, PARAMS), _g("h", g_h)],
        [_g("x", g_x), Sign("="), Matrix("$W_1^T$", W_1, PARAMS), _g("z", g_z)],
    ]  # fmt: skip
    _two_by_two(canvas, products)


def _g(name: str, g: Tensor) -> Matrix:
    return Matrix(f"$g_{{{name}}}^T$", g, BACK)


def _two_by_two(canvas: Canvas, products: Sequence[Sequence[Item]]) -> None:
    """Four products in two rows."""
    for i, items in enumerate(products):
        draw_row(canvas, items, 1.75 * (i // 2), MIDDLES[i % 2], gap=0.14)


def _headings(canvas: Canvas, y: float) -> None:
    for x, label in zip(MIDDLES, ("forward", "backward"), strict=True):
        canvas.text(x, y, label, weight="bold")


@functools.cache
def _relu() -> tuple[OneLayer, Tensor]:
    """A relu layer and its L^x = H' (14.31)."""
    x_in, g_out = float64([0.8, -1.5, 2]), float64([0.5, 1, -0.75])
    (H,) = jacobian(F.relu, x_in)
    return run_layer(F.relu, x_in, g_out), H


def _present(gradient: Tensor | None) -> Tensor:
    assert gradient is not None, "θ is a floating-point tensor"
    return gradient


def _list_text(t: Tensor) -> str:
    return f"[{', '.join(_list_text(row) if row.ndim else two_decimals(float(row)) for row in t)}]"


def _split_comment(line: str) -> tuple[str, str]:
    """The code and the comment of a line."""
    code, sharp, comment = line.partition("#")
    return code.strip(), sharp + comment
