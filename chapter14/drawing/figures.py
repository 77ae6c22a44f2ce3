"""Every figure of the chapter by its number, and the page that shows them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..files import whole
from . import figures_backward, figures_dag, figures_data, figures_mlp, figures_network
from .canvas import Picture, styled


class Figure(NamedTuple):
    """What draws it, what it is, and what of it is computed."""

    draw: Callable[[], Picture]
    shows: str
    computed: str


FIGURES: Mapping[str, Figure] = {
    "14.1": Figure(
        figures_backward.mlp,
        "A neural net is a sequence of layers, a computation graph: the MLP of two linear layers.",
        "z, h, ŷ and J, by `Graph`.",
    ),
    "14.2": Figure(
        figures_backward.forward_of_a_layer,
        "Forward of a layer: data and parameters go in, (14.1).",
        "x_out.",
    ),
    "14.3": Figure(
        figures_backward.reuse,
        "A sequential graph; the same as a tree whose leaves are data and parameters; and the products of (14.2) and "
        "(14.3), with what they share on grey.",
        "both passes by `Graph`, each factor by `jacobian`, the multiplications by counting them "
        "(`graph/product_count.py`).",
    ),
    "14.4": Figure(
        figures_backward.generic_layer,
        "A generic layer. The braces span what one has to go through for L, g_out and g_in.",
        "L^x and L^θ by `jacobian`; g_out and g_in as they come back.",
    ),
    "14.5": Figure(
        figures_backward.backward_of_a_layer,
        "Backward of a layer: g_out in, g_in and ∂J/∂θ out, (14.8) and (14.10).",
        "all four arrays and their products.",
    ),
    "14.6": Figure(
        figures_backward.forward_pass, "The forward pass, lines 5 and 6 of Algorithm 14.1.", "each x_l and J."
    ),
    "14.7": Figure(
        figures_backward.backward_pass, "The backward pass, lines 9 to 13.", "each g_l and ∂J/∂θ_l of the same network."
    ),
    "14.8": Figure(
        figures_mlp.products_of_linear,
        "A linear layer without its bias, forward and backward (14.18): both multiply by W, from either side.",
        "x_out and g_in.",
    ),
    "14.9": Figure(
        figures_mlp.product_of_the_gradient,
        "The gradient of a linear layer's W is an outer product (14.29). [N × M], as in the chapter.",
        "∂J/∂W.",
    ),
    "14.10": Figure(
        figures_mlp.linear_both_ways,
        "A linear layer, forward and backward. ∂J/∂W has the shape of W here.",
        "x_out, g_in, ∂J/∂W and ∂J/∂b.",
    ),
    "14.11": Figure(
        figures_mlp.code_of_linear,
        "The linear layer as code: not pseudocode, but `LinearBlock` of `graph/mlp.py`.",
        "the last two lines run it.",
    ),
    "14.12": Figure(
        figures_mlp.product_of_pointwise,
        "Backward of a pointwise layer as a product, here of a relu (14.31).",
        "H' by `jacobian`, g_in by the layer.",
    ),
    "14.13": Figure(
        figures_mlp.pointwise_both_ways, "A pointwise layer, forward and backward (14.33).", "x_out and g_in of a relu."
    ),
    "14.14": Figure(figures_mlp.loss_both_ways, "An L2 loss, forward and backward (14.35).", "J and g_in."),
    "14.15": Figure(
        figures_mlp.forward_through_an_mlp,
        "The forward pass through the MLP of figure 14.1.",
        "z, h, ŷ and J, by `Graph`.",
    ),
    "14.16": Figure(
        figures_mlp.backward_through_an_mlp,
        "The backward pass through it (14.36): the same network, its weights transposed, and each relu a gate.",
        "each g by `Graph`, each matrix by `backward_network`.",
    ),
    "14.17": Figure(
        figures_network.bigger_network,
        "Forward and backward of a three-layer MLP is just a bigger network. Solid lines are of data and its "
        "gradients, dotted ones of gradients of parameters.",
        "the graph is what `forward_backward` recorded, and it ran. Transposes and masks on the way are left out.",
    ),
    "14.18": Figure(figures_dag.merge_and_branch, "Merge (14.37) and branch (14.38).", "x_out."),
    "14.19": Figure(
        figures_dag.both_ways,
        "Both of them backward: split (14.41), and the sum (14.46).",
        "g_in of each.",
    ),
    "14.20": Figure(
        figures_dag.dag,
        "A DAG made of layers, branch and merge, forward and backward. g_l is written as x_l is, as a column.",
        "every x and g, by `Graph`; where things stand, by the layout that `chapter14.draw` has too.",
    ),
    "14.21": Figure(
        figures_dag.sharing,
        "Sharing a parameter is branching it, so that the gradients of its copies add up (14.47).",
        "the gradient of each copy and their sum, for the θ that two linear layers share.",
    ),
    "14.22": Figure(
        figures_dag.one_block,
        "J as one block: data and parameters go in alike, and their gradients come out alike.",
        "J and all four gradients, of the MLP of figure 14.1.",
    ),
    "14.23": Figure(
        figures_data.optimal_image,
        "The picture that the node for “a photo of a cat” looks for, in this package's own small CLIP: from noise, "
        "down the gradient of the data.",
        "`chapter14.visualize` draws it anew, all steps of it.",
    ),
}


def figure(number: str) -> Picture:
    """A figure of the chapter.

    Raises:
        ValueError: there is none of that number, or matplotlib is not installed.
    """
    if number not in FIGURES:
        raise ValueError(f"figure {number}: the chapter has figures 14.1 to 14.{len(FIGURES)}.")
    return styled(FIGURES[number].draw)()


def stem(number: str) -> str:
    """14.1 is 14.01, so that files are in order."""
    chapter, _, n = number.partition(".")
    return f"{chapter}.{int(n):02}"


def page(pictures: str, numbers: Sequence[str] = tuple(FIGURES)) -> str:
    """A page in Markdown that shows figures, which lie in that folder as SVG."""
    lines = [
        "# The figures",
        "",
        "Each is drawn from code that runs, with the numbers that it computed. One command draws them all again:",
        "",
        "    python scripts/figures.py --out assets/figures --page docs/figures.md",
        "",
        "Blue: parameters, and the weights of layers of the backward network. Green: data, forward. Red: what comes",
        "back. Yellow: gradients of parameters. Sand: layers. The SVG files are dark where the reader's screen is; a",
        "PNG lies beside each. `chapter14.draw(model, x)` draws the graph of any model.",
    ]
    for number in numbers:
        _, shows, computed = FIGURES[number]
        lines += ["", f"## {number}", "", f"![Figure {number}]({pictures}/{stem(number)}.svg)", "", shows]
        lines += [f"Computed: {computed}"]
    return "\n".join(lines) + "\n"


def is_page(path: Path) -> bool:
    """Whether a file is such a page, whichever figures it shows."""
    return path.read_bytes().startswith(page("", ()).encode())


def write_page(path: Path, pictures: Path, numbers: Sequence[str]) -> None:
    """
    Raises:
        NotWritten: it could not be.
    """
    relative = Path(os.path.relpath(pictures, path.parent)).as_posix()
    with whole(path) as beside:
        beside.write_text(page(relative, numbers), encoding="utf-8", newline="\n")
