"""A backward graph with one edge cut, or with one node's derivative left out: mistakes that the chain rule allows.

The graph is that of a reference made of PyTorch's operations. Cutting an edge forgets a term, of a product or of a
branch (14.46), as a detached tensor does. Leaving out a node's derivative forgets a factor of the chain rule (14.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

#: How many nodes a graph may have to be tried.
LARGEST = 40

Edge = tuple[Any, int]


def without_a_term(x_out: Sequence[Tensor], g: Sequence[Tensor], leaf: Tensor) -> Iterator[tuple[str, Tensor]]:
    """For each edge of the graph, the name of its node, and the gradient of `leaf` without what comes through it."""
    order = _in_order(x_out)
    for node in reversed(order):  # of the edges of one path, the one that is nearest to the leaf has the best name
        for k, (before, _) in enumerate(node.next_functions):
            if before is not None:
                yield _name(node), _backward(order, x_out, g, leaf, cut=(node, k))


def without_a_factor(x_out: Sequence[Tensor], g: Sequence[Tensor], leaf: Tensor) -> Iterator[tuple[str, Tensor]]:
    """For each node with one input, its name, and the gradient of `leaf` where the node hands g on as it is."""
    order = _in_order(x_out)
    for node in order:
        edges = [edge for edge in node.next_functions if edge[0] is not None]
        if len(edges) == 1 and len(node._input_metadata) == 1:
            before, nr = edges[0]
            if before._input_metadata[nr].shape == node._input_metadata[0].shape:
                yield _name(node), _backward(order, x_out, g, leaf, skipped=node)


def _in_order(x_out: Sequence[Tensor]) -> list[Any]:
    """The nodes, each after all whose gradient it receives; [] if there are too many, or one is a Function."""
    order: list[Any] = []
    seen: set[Any] = set()

    def visit(node: Any) -> None:
        if node in seen or len(seen) > LARGEST:
            return
        seen.add(node)
        for before, _ in node.next_functions:
            if before is not None:
                visit(before)
        order.append(node)

    for t in x_out:
        if t.grad_fn is not None:
            visit(t.grad_fn)
    opaque = any(hasattr(type(node), "_forward_cls") for node in order)
    return [] if opaque or len(seen) > LARGEST else [n for n in reversed(order) if not hasattr(n, "variable")]


def _backward(
    order: list[Any],
    x_out: Sequence[Tensor],
    g: Sequence[Tensor],
    leaf: Tensor,
    cut: Edge | None = None,
    skipped: Any = None,
) -> Tensor:
    """The gradient of `leaf`, zeros where none arrives."""
    arrived: dict[Edge, Tensor] = {}

    def arrive(edge: Edge, g: Tensor) -> None:
        arrived[edge] = arrived[edge] + g if edge in arrived else g

    for t, gt in zip(x_out, g, strict=True):
        if t.grad_fn is not None:
            arrive((t.grad_fn, t.output_nr), gt)
    found = torch.zeros_like(leaf)
    with torch.no_grad():
        for node in order:
            gs = [arrived.get((node, nr)) for nr in range(len(node._input_metadata))]
            if all(gt is None for gt in gs):
                continue
            g_in = gs * len(node.next_functions) if node is skipped else node(*gs)
            g_in = g_in if isinstance(g_in, tuple | list) else (g_in,)
            for k, ((before, nr), gt) in enumerate(zip(node.next_functions, g_in, strict=True)):
                if before is None or gt is None or (node, k) == cut:
                    continue
                gt = gt.sum_to_size(before._input_metadata[nr].shape)  # as autograd does where an operation broadcasts
                if getattr(before, "variable", None) is leaf:
                    found = found + gt
                else:
                    arrive((before, nr), gt)
    return found


def _name(node: Any) -> str:
    """The operation of a node: `pow` of PowBackward0."""
    return re.sub(r"Backward\d*$", "", node.name()).lower()
