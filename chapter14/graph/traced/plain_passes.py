"""A recorded network's two passes (Algorithm 14.1), each a graph of plain calls: no autograd, and no checks.

forward     x_l = f_l(x_{l-1}, θ_l), and what f_l remembers            lines 4 to 7
backward    g_{l-1}, dJ/dθ_l = g_l L^x, g_l L^θ, last to first         lines 10 to 13
            g = g^a + g^b of a value that several layers read          (14.46), (14.47)

They call `forward`, `remember` and `backward_once` of the layers themselves. What else a layer does in a training step
was done when the network was recorded: the node, the choice of its form, the checks of its inputs.
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
    """`forward` takes x, θ and buffers; it gives x_L, and a tuple for each layer: what it remembers.

    `backward` takes a g for each of x_L that has a gradient, and those tuples; it gives the gradients of x and θ, None
    where none is wanted.
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
    ends_with_g = [node for node, has in zip(x_L, has_gradient, strict=True) if has]
    reached, layers = set(ends_with_g), []
    for recorded in reversed(tape.layers):
        if any(node in reached for node in recorded.outs):
            layers.append(recorded)
            reached.update(node for node in recorded.ins if node is not None)
    backward = _backward(layers, ends_with_g, wanted)
    forward = _forward(tape, layers, _apart(tape, ends, x_L))
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
        node.meta["keep"] = apart[-1].meta["keep"] = True
    return apart


def _forward(tape: Tape, layers: Sequence[RecordedLayer], x_L: Sequence[fx.Node]) -> fx.Graph:
    of_call = {_call(recorded): recorded for recorded in layers}
    graph = fx.Graph()
    new: dict[fx.Node, fx.Node] = {}
    remembered: dict[fx.Node, fx.Node] = {}
    remove_unused(tape.graph)
    for node in tape.graph.nodes:
        new[node] = graph.node_copy(node, new.__getitem__)
        if "layer" in node.meta:
            new[node].target = node.meta["layer"].forward
        if (recorded := of_call.get(node)) is not None:
            arguments = (recorded.needs, new[node].args, new[node])
            remembered[node] = graph.call_function(recorded.layer.remember, arguments)
    graph.output(([new[node] for node in x_L], [remembered[_call(recorded)] for recorded in layers]))
    return graph


def _call(recorded: RecordedLayer) -> fx.Node:
    """The node that calls the layer: of several outputs, each is an entry of it."""
    x_out = recorded.outs[0]
    return x_out.args[0] if recorded.layer.many else x_out  # type: ignore[return-value]


def _backward(layers: Sequence[RecordedLayer], ends: Sequence[fx.Node], wanted: Sequence[fx.Node | None]) -> fx.Graph:
    """Through the layers, which are in the order of the backward pass."""
    graph = fx.Graph()
    arrived: dict[fx.Node, Any] = {}

    def arrive(node: fx.Node, g: fx.Node) -> None:
        arrived[node] = graph.call_function(torch.add, (arrived[node], g)) if node in arrived else g

    for i, node in enumerate(ends):
        arrive(node, graph.placeholder(f"g_{i}"))
    all_saved = [graph.placeholder(f"saved_{i}") for i in range(len(layers))]
    for recorded, saved in zip(layers, all_saved, strict=True):
        layer = recorded.layer
        g_out: list[Any] = [arrived.get(node) for node in recorded.outs]
        for i, like in enumerate(recorded.likes):
            if g_out[i] is None:
                how: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
                g_out[i] = graph.call_function(torch.zeros, (tuple(like.shape),), how)
        rule = _of_saved(layer.vjp_once or layer.vjp)
        g_in = graph.call_function(rule, (recorded.needs, tuple(g_out) if layer.many else g_out[0], saved))
        for i, of_input in enumerate(recorded.ins):
            if of_input is not None:
                arrive(of_input, graph.call_function(operator.getitem, (g_in, i)))
    graph.output([None if node is None else arrived.get(node) for node in wanted])
    return graph


def _of_saved(rule: Callable[..., tuple]) -> Callable[..., tuple]:
    def backward(needs: Sequence[bool], g: Any, saved: tuple) -> tuple:
        return rule(needs, g, *saved)

    return backward
