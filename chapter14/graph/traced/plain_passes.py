"""A recorded network's two passes (Algorithm 14.1), each a graph of plain calls: no autograd, and no checks.

forward     x_l = f_l(x_{l-1}, θ_l), and what f_l saves                lines 4 to 7
backward    g_{l-1}, dJ/dθ_l = g_l L^x, g_l L^θ, last to first         lines 10 to 13
            g = g^a + g^b of a value that several layers read          (14.46), (14.47)

They call `forward` and `backward_once` of the layers themselves. What else a layer does in a training step was done
when the network was recorded: its node, the choice of its form, the checks of its inputs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

from ..joint.memory_plan import remove_unused
from ..joint.tape import RecordedLayer, Tape
from ..joint.tensor_nodes import memory_of


class PlainPasses(NamedTuple):
    """`forward` takes x, θ and buffers; it gives x_L and the tensors saved for the backward pass.

    `backward` takes a g for each of x_L that has a gradient, and the saved tensors; it gives the gradients of x and θ,
    None where none is wanted.
    """

    forward: fx.GraphModule
    backward: fx.GraphModule
    has_gradient: list[bool]  #: which of x_L have one
    draws: bool  #: whether the forward pass draws random numbers
    layers: list[str]  #: the names of the layers that the backward pass goes through


def plain_passes(tape: Tape, ends: Sequence[Tensor], inputs: Sequence[Tensor]) -> PlainPasses:
    """The passes of what a tape has recorded, from `inputs`, which are x and θ, to `ends`, which are x_L."""
    wanted = [tape.node(t) if t.requires_grad else None for t in inputs]
    x_L, has_gradient = [tape.node(t) for t in ends], [tape.has_gradient(t) for t in ends]
    reached = {node for node, has in zip(x_L, has_gradient, strict=True) if has}
    layers = []  # in the order of the backward pass
    for recorded in reversed(tape.layers):
        if any(node in reached for node in recorded.outs):
            layers.append(recorded)
            reached.update(node for node in recorded.ins if node is not None)
    saved = list(dict.fromkeys(node for recorded in layers for node in recorded.saved))
    g_L = [node for node, has in zip(x_L, has_gradient, strict=True) if has]
    backward = _backward(layers, g_L, saved, wanted)
    forward = _forward(tape, _apart(tape, ends, x_L), saved)
    draws = any(node.meta.get("given") and node.op != "placeholder" for node in tape.graph.nodes)
    names = [recorded.layer.__name__ for recorded in reversed(layers)]
    root = tape.values.root
    run, run_back = fx.GraphModule(root, forward, "Forward"), fx.GraphModule(root, backward, "Backward")
    return PlainPasses(run, run_back, has_gradient, draws, names)


def _apart(tape: Tape, ends: Sequence[Tensor], x_L: Sequence[fx.Node]) -> list[fx.Node]:
    """x_L, each in memory of its own: autograd would not see that a write into one changes another."""
    seen, apart = set(), []
    for t, node in zip(ends, x_L, strict=True):
        memory = memory_of(t)
        apart.append(tape.graph.call_function(torch.clone, (node,)) if memory in seen else node)
        seen.add(memory)
    return apart


def _forward(tape: Tape, x_L: Sequence[fx.Node], saved: Sequence[fx.Node]) -> fx.Graph:
    for node in (*x_L, *saved):
        node.meta["keep"] = True
    remove_unused(tape.graph)
    graph = fx.Graph()
    new: dict[fx.Node, fx.Node] = {}
    for node in tape.graph.nodes:
        new[node] = graph.node_copy(node, new.__getitem__)
        if "layer" in node.meta:
            new[node].target = node.meta["layer"].forward
    graph.output(([new[node] for node in x_L], [new[node] for node in saved]))
    return graph


def _backward(
    layers: Sequence[RecordedLayer], g_L: Sequence[fx.Node], saved: Sequence[fx.Node], wanted: Sequence[fx.Node | None]
) -> fx.Graph:
    graph = fx.Graph()
    arrived: dict[fx.Node, Any] = {}

    def arrive(node: fx.Node, g: fx.Node) -> None:
        arrived[node] = graph.call_function(torch.add, (arrived[node], g)) if node in arrived else g

    for i, node in enumerate(g_L):
        arrive(node, graph.placeholder(f"g_{i}"))
    given = {node: graph.placeholder(f"saved_{i}") for i, node in enumerate(saved)}
    for recorded in layers:
        g_out: list[Any] = [arrived.get(node) for node in recorded.outs]
        for i, like in enumerate(recorded.likes):
            if g_out[i] is None:
                how: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
                g_out[i] = graph.call_function(torch.zeros, (tuple(like.shape),), how)
        g = tuple(g_out) if recorded.layer.many else g_out[0]
        g_in = graph.call_function(_vjp(recorded), (g, *[given[node] for node in recorded.saved]))
        for i, (of_input, is_real) in enumerate(zip(recorded.ins, recorded.reals, strict=True)):
            if of_input is not None:
                part = graph.call_function(operator.getitem, (g_in, i))
                if is_real and _is_complex(recorded):
                    part = graph.call_function(torch.real, (part,))
                arrive(of_input, part)
    graph.output([None if node is None else arrived.get(node) for node in wanted])
    return graph


def _is_complex(recorded: RecordedLayer) -> bool:
    """Whether g is complex; then a real input has the real part as its gradient."""
    return any(like.is_complex() for like in recorded.likes)


def _vjp(recorded: RecordedLayer) -> Callable[..., tuple]:
    """g and the saved tensors → g L*. What the layer remembers besides tensors is the same in each step."""
    layer, needs = recorded.layer, recorded.needs
    rule = layer.vjp if layer.vjp_once is None or _is_complex(recorded) else layer.vjp_once
    is_tensor = [isinstance(t, Tensor) for t in recorded.remembered]
    constants = [None if is_saved else t for t, is_saved in zip(recorded.remembered, is_tensor, strict=True)]
    if all(is_tensor):
        return lambda g, *saved: rule(needs, g, *saved)

    def vjp(g: Any, *saved: Tensor) -> tuple:
        left = iter(saved)
        return rule(needs, g, *[next(left) if t else c for t, c in zip(is_tensor, constants, strict=True)])

    return vjp
