"""The figures of the chapter by number, and the page that shows them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..files import whole
from . import figures_backward, figures_dag, figures_data, figures_mlp, figures_network
from .canvas import Canvas, Picture, with_default_style
from .items import WIDTH


class Figure(NamedTuple):
    """`computed` names the values that running code computes."""

    draw: Callable[..., None]  # on a canvas
    caption: str
    computed: str


# fmt: off
FIGURES: Mapping[str, Figure] = {
    "14.1": Figure(figures_backward.mlp,
        "A neural net is a sequence of layers, a computation graph. Here: a two-layer MLP.",
        "z, h, ŷ and J, by `Graph`."),
    "14.2": Figure(figures_backward.forward_of_a_layer,
        "The forward operation of a layer (14.1). Its inputs are data and parameters.", "x_out."),
    "14.3": Figure(figures_backward.reuse,
        "A sequential computation graph; the same graph as a tree, with data and parameters as leaves; and the "
        "products (14.2) and (14.3), with their shared factors on grey.",
        "both passes by `Graph`, each factor by `jacobian`, the number of multiplications by `graph/product_count.py`.",
    ),
    "14.4": Figure(figures_backward.generic_layer,
        "A generic layer. The braces span the part of the graph that determines L, g_out and g_in.",
        "L^x and L^θ by `jacobian`, g_out and g_in by `Graph`."),
    "14.5": Figure(figures_backward.backward_of_a_layer,
        "The backward operation of a layer: from g_out to g_in (14.10) and ∂J/∂θ (14.8).",
        "L^x, L^θ and all three gradients."),
    "14.6": Figure(figures_backward.forward_pass, "The forward pass, lines 5 and 6 of Algorithm 14.1.",
        "each x_l and J."),
    "14.7": Figure(figures_backward.backward_pass, "The backward pass, lines 9 to 13 of Algorithm 14.1.",
        "each g_l and ∂J/∂θ_l."),
    "14.8": Figure(figures_mlp.products_of_linear,
        "A linear layer without bias, forward and backward (14.18). Forward, W is on the left; backward, on the right.",
        "x_out and g_in."),
    "14.9": Figure(figures_mlp.product_of_the_gradient,
        "The gradient of a linear layer's W is an outer product (14.29), here [N × M] as in the chapter.", "∂J/∂W."),
    "14.10": Figure(figures_mlp.linear_layer, "A linear layer, forward and backward. Here ∂J/∂W has the shape of W.",
        "x_out, g_in, ∂J/∂W and ∂J/∂b."),
    "14.11": Figure(figures_mlp.code_of_linear, "The linear layer as code: `LinearBlock` of `graph/mlp.py`.",
        "the results in the last two lines."),
    "14.12": Figure(figures_mlp.product_of_pointwise,
        "The backward operation of a pointwise layer, here relu, as a matrix product (14.31).",
        "H' by `jacobian`, g_in by `relu`."),
    "14.13": Figure(figures_mlp.pointwise_layer, "A pointwise layer, forward and backward (14.33).",
        "x_out and g_in of a relu."),
    "14.14": Figure(figures_mlp.loss_layer, "An L2 loss, forward and backward (14.35).", "J and g_in."),
    "14.15": Figure(figures_mlp.forward_through_an_mlp, "The forward pass through the MLP of figure 14.1.",
        "z, h, ŷ and J, by `Graph`."),
    "14.16": Figure(figures_mlp.backward_through_an_mlp,
        "The backward pass through the same MLP (14.36). The weights are transposed, and relu becomes a gating matrix.",
        "each g by `Graph`, each matrix by `backward_network`."),
    "14.17": Figure(figures_network.bigger_network,
        "Backpropagation through a three-layer MLP is just a bigger network. Solid lines compute data and their "
        "gradients, dotted lines parameter gradients. Where two lines cross, one is interrupted.",
        "the graph that `forward_backward` records, and its values. Transposes and masks are not shown."),
    "14.18": Figure(figures_dag.merge_and_branch, "The merge (14.37) and branch (14.38) layers.", "x_out."),
    "14.19": Figure(figures_dag.merge_and_branch_backward,
        "Merge and branch, forward and backward. Backward, merge splits g_out (14.41) and branch sums (14.46).",
        "x_out and g_in of each."),
    "14.20": Figure(figures_dag.dag,
        "A DAG of layers, branch and merge, forward and backward. Here each x_l is a row, like g_l.",
        "every x and g by `Graph`."),
    "14.21": Figure(figures_dag.sharing,
        "Sharing a parameter is branching it: the gradients of its copies are summed (14.47).",
        "the gradient of each copy and their sum, for a θ that two linear layers share."),
    "14.22": Figure(figures_dag.one_block,
        "J as one block, forward and backward. Data and parameters play symmetric roles.",
        "J and all four gradients of the MLP of figure 14.1."),
    "14.23": Figure(figures_data.optimal_image,
        "The image that maximizes the node for “a photo of a cat” in the package's small CLIP: gradient descent on "
        "the data, starting from noise.",
        "all steps by `chapter14.visualize`."),
}
# fmt: on


@with_default_style
def figure(number: str, **options: Any) -> Picture:
    """A figure of the chapter; `options` are its function's, such as the `steps` of 14.23.

    Raises:
        ValueError: the chapter has no such figure, or matplotlib is not installed.
    """
    if number not in FIGURES:
        raise ValueError(f"figure {number}: the chapter has figures 14.1 to 14.{len(FIGURES)}.")
    canvas = Canvas()
    FIGURES[number].draw(canvas, **options)
    return canvas.picture(WIDTH)


def stem(number: str) -> str:
    """The file name of a figure without its ending: 14.01 for 14.1, so that files sort in order."""
    chapter, _, n = number.partition(".")
    return f"{chapter}.{int(n):02}"


def page(pictures: str, numbers: Sequence[str] = tuple(FIGURES)) -> str:
    """A Markdown page of figures; `pictures` is the path to the folder of the SVG files."""
    lines = [
        "# The figures",
        "",
        "Running code computes the numbers of each figure. One command draws them all:",
        "",
        "    python scripts/figures.py --out assets/figures --page docs/figures.md",
        "",
        "Blue: parameters, and the matrices of the backward network. Green: data. Red: gradients of data. Yellow:",
        "gradients of parameters. Sand: layers. The SVG files follow the reader's light or dark mode; beside each is a",
        "PNG. `chapter14.draw(model, x)` draws the graph of any model.",
    ]
    for number in numbers:
        _, caption, computed = FIGURES[number]
        lines += ["", f"## {number}", "", f"![Figure {number}]({pictures}/{stem(number)}.svg)", "", caption]
        lines += [f"Computed: {computed}"]
    return "\n".join(lines) + "\n"


def is_page(path: Path) -> bool:
    """Whether a file is a page of figures."""
    return path.read_bytes().startswith(page("", ()).encode())


def write_page(path: Path, pictures: Path, numbers: Sequence[str]) -> None:
    """
    Raises:
        NotWritten: the page cannot be written.
    """
    relative = Path(os.path.relpath(pictures, path.parent)).as_posix()
    with whole(path) as beside:
        beside.write_text(page(relative, numbers), encoding="utf-8", newline="\n")
