"""The two halves of the bigger network, each a module (figure 14.17): the second is linear in g.

forward     (x, y) → J, g_L, saved          lines 4 to 9 of Algorithm 14.1
backward    g_L, saved → dJ/dθ, g_0         lines 10 to 13;  f(a g + b g') = a f(g) + b f(g')
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_unflatten

from .recording import Recorded


class Forward(nn.Module):
    """(x, y) → J, g_L and the tensors saved for the backward pass. θ is the network's."""

    def __init__(self, network: Any, half: fx.GraphModule, ends: int):
        super().__init__()
        self.network, self.body, self.ends = network, half, ends

    def forward(self, x: Any, y: Any) -> tuple[Tensor, Any, list[Tensor]]:
        given = self.network.given(x, y)
        with torch.no_grad():
            J, g_L, saved = self.body(*given.x, *given.y, *given.theta.values(), *given.buffers.values())
        return J, g_L[0] if self.ends == 1 else g_L, saved


class Backward(nn.Module):
    """g_L, a tensor or one for each output, and the saved tensors → {name: dJ/dθ}, g_0."""

    def __init__(self, half: fx.GraphModule, names: list[str], form: Any):
        super().__init__()
        self.body, self.names, self.form = half, names, form

    def forward(self, g_L: Any, saved: Sequence[Tensor]) -> tuple[dict[str, Tensor], Any]:
        gs = [g_L] if isinstance(g_L, Tensor) else list(g_L)
        with torch.no_grad():
            gradients, g_0 = self.body(*gs, *saved)
        return dict(zip(self.names, gradients, strict=True)), tree_unflatten(list(g_0), self.form)


def split_in_two(recorded: Recorded) -> tuple[fx.GraphModule, fx.GraphModule, list[str]]:
    """The graph, cut in two at g_L; and the names of g_L."""
    nodes = list(recorded.module.graph.nodes)
    g_L = [node for node in nodes if node.name in recorded.g_L]
    after = set(g_L)
    for node in nodes:
        if any(n in after for n in node.all_input_nodes):
            after.add(node)
    J, gradients, g_0 = nodes[-1].args[0]
    wanted = [n for n in (*gradients, *g_0) if n is not None]
    second = [n for n in nodes if n in after and n not in g_L and n.op != "output"]
    saved = [m for n in second for m in n.all_input_nodes if m not in after]
    saved = list(dict.fromkeys([*saved, *(n for n in wanted if n not in after)]))

    first = fx.Graph()
    there: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        if node.op != "output" and (node not in after or node in g_L):
            there[node] = first.node_copy(node, there.__getitem__)
    first.output((there[J], [there[n] for n in g_L], [there[n] for n in saved]))

    back = fx.Graph()
    here: dict[fx.Node, fx.Node] = {}
    for node in (*g_L, *saved):
        here[node] = back.placeholder(node.name)
        here[node].meta = dict(node.meta)
    for node in second:
        here[node] = back.node_copy(node, here.__getitem__)
    back.output(([here[n] for n in gradients], [None if n is None else here[n] for n in g_0]))
    halves = (fx.GraphModule(recorded.module, graph, "Half") for graph in (first, back))
    return *halves, recorded.g_L  # type: ignore[return-value]
