"""The bigger network of section 14.6.5 as one fx graph: forward, then backward, its nodes named as in Algorithm 14.1.

    x_0, y, θ        placeholders: parameters are inputs like any other, (14.1)
    x_1, ..., x_L    the forward pass, and then J
    g_J, g_L, ..., g_0, dJ_dθ     the backward pass: layers, linear in g, with weights from the forward pass

Every node's `meta` has its "kind", one of figure 14.17's four, and "layer", "module", "shape" and "dtype" where they
apply; in the backward pass, "of" is the output of the layer whose backward the node is part of.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from ...layer.recorder import following
from ...layer.shape import ShapeError, in_words
from .backward_pass import backward_pass
from .memory_plan import Plan, plan, remove_unused, sunk
from .tape import RecordedLayer, Tape

#: The four colours of figure 14.17.
KINDS = ("params forward", "params backward", "data forward", "data backward")


class Recorded(NamedTuple):
    """`module` takes the leaves of x and y, then θ, then buffers; it gives J, dJ/dθ of each θ, and dJ/dx of each x."""

    module: fx.GraphModule
    plan: Plan
    L: int  #: the number of data layers before the loss
    x_L: list[str]  #: the nodes of the output
    g_L: list[str]  #: the nodes of their gradients
    inputs: list[Any]  #: shape and dtype of the leaves of x and y
    modes: Sequence[bool] = ()  #: which modules were training

    def node(self, name: str) -> fx.Node:
        """The node of that name.

        Raises:
            KeyError: there is none.
        """
        for node in self.module.graph.nodes:
            if node.name == name:
                return node
        raise KeyError(f"the network has no value {name!r}.")


class Given(NamedTuple):
    """The inputs that a network is recorded with: leaves of x and y; parameters and buffers by name."""

    x: list[Any]
    y: list[Any]
    theta: dict[str, Tensor]
    buffers: dict[str, Tensor]


def record(
    run: Callable[[list[Any], list[Any], dict[str, Tensor]], tuple[Any, Any]], given: Given, model: Any
) -> Recorded:
    """Records `run`, which takes leaves of x and y, and θ and buffers by name, and returns x_L and J.

    Raises:
        TypeError: the network has a function without a hand-written backward, or its operations depend on its data.
        ShapeError: J is not one number.
    """
    tape = Tape("forward_backward")
    device = [t.device.index for t in given.theta.values() if t.device.type == "cuda"][:1]
    with torch.random.fork_rng(device), torch.enable_grad(), tape:
        x = [tape.given(f"x_0{_of(i, given.x)}", t, True, what="x") for i, t in enumerate(given.x)]
        y = [tape.given(f"y{_of(i, given.y)}", t, False, what="y") for i, t in enumerate(given.y)]
        theta, buffers = {}, {}
        for n, t in given.theta.items():
            theta[n] = tape.given(f"theta_{n}", t, t.requires_grad, what="theta", name=n)
        for n, t in given.buffers.items():
            buffers[n] = tape.given(f"buffer_{n}", t, False, fixed=True, what="buffer", name=n)
        with following(model, tape.inside):
            x_L, J = run(x, y, theta | buffers)
        _must_be_one_number(J)
        if not tape.has_gradient(J):
            raise TypeError("forward_backward: J does not depend on x or θ through any layer: it has no gradient.")
        ends = [tape.node(t) for t in tree_leaves(x_L) if isinstance(t, Tensor)]
        turn = tape.node(J)
        first = len(tape.graph.nodes)
        gs = backward_pass(tape, J)
        learned = [tape.node(t) for t in theta.values() if t.requires_grad]
        data = [tape.node(t) if t.requires_grad else None for t in x]
        gradients = [gs[n] if n in gs else _nothing(tape, n) for n in learned]
        g_0 = [None if n is None else gs[n] if n in gs else _nothing(tape, n) for n in data]
    list(tape.graph.nodes)[first].meta["turn"] = True
    tape.graph.output((turn, gradients, g_0))
    return _finished(tape, turn, ends, gs)


def _must_be_one_number(J: Any) -> None:
    if not isinstance(J, Tensor):
        raise TypeError(f"forward_backward: the loss is a function of the output and y that gives J; it gave {J!r}.")
    if J.shape != ():
        raise ShapeError(f"forward_backward: the loss is one number, J []; it gave {in_words(J)}.")


def _of(i: int, leaves: Sequence[Any]) -> str:
    return f"_{i}" if len(leaves) > 1 else ""


def _nothing(tape: Tape, node: fx.Node) -> fx.Node:
    """A gradient of zeros, of a value that J does not depend on."""
    return tape.node(torch.zeros_like(node.meta["held"]))


def _finished(tape: Tape, J: fx.Node, ends: list[fx.Node], gs: dict[fx.Node, fx.Node]) -> Recorded:
    graph = tape.graph
    for node in ends:
        node.meta["keep"] = True
    remove_unused(graph)
    sunk(graph)
    _kinds(graph)
    L = _named(graph, J, ends, gs, tape.layers)
    final = fx.Graph()
    new: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        name = node.meta.get("symbol", node.name)
        new[node] = final.create_node(
            node.op, node.target,
            fx.node.map_arg(node.args, new.__getitem__), fx.node.map_arg(node.kwargs, new.__getitem__), name,
        )  # fmt: skip
        new[node].meta = {key: value for key, value in node.meta.items() if key != "held"}
        if node.meta.get("of") is not None:
            new[node].meta["of"] = node.meta["of"].meta.get("symbol", "")
    final.lint()
    used = plan(final, lambda node: node.meta["what"] != "x")
    x_L = [new[node].name for node in ends]
    g_L = [new[gs[node]].name for node in ends if node in gs and gs[node] in new]
    inputs = [(torch.Size(n.meta["shape"]), n.meta["dtype"]) for n in final.nodes if n.meta.get("what") in ("x", "y")]
    return Recorded(fx.GraphModule(tape.values.root, final, "Network"), used, L, x_L, g_L, inputs)


def _kinds(graph: fx.Graph) -> None:
    """Data or params, forward or backward, by what a value depends on, and what depends on it."""
    leads: dict[fx.Node, bool] = {}  # to a gradient of data, not only to dJ/dθ
    output = next(node for node in reversed(graph.nodes) if node.op == "output")
    backward: set[fx.Node] = set()
    data: set[fx.Node] = set()
    for node in graph.nodes:
        before = node.all_input_nodes
        if node.meta.get("turn") or any(n in backward for n in before):
            backward.add(node)
        if node.meta.get("what") in ("x", "y") or any(n in data for n in before):
            data.add(node)
    _, gradients, g_0 = output.args[0]  # type: ignore[misc]
    params = set(gradients) - set(g_0)  # type: ignore[arg-type]
    for node in reversed(graph.nodes):
        users = [user for user in node.users if user.op != "output"]
        leads[node] = any(leads[user] for user in users) or (node not in params and not users) or node in g_0  # type: ignore[operator]
        which = "backward" if node in backward else "forward"
        what = ("data" if leads[node] else "params") if node in backward else ("data" if node in data else "params")
        node.meta["kind"] = f"{what} {which}"


def _named(
    graph: fx.Graph, J: fx.Node, ends: list[fx.Node], gs: dict[fx.Node, fx.Node], layers: Sequence[RecordedLayer]
) -> int:  # fmt: skip
    """x_l in the order of the data layers, g_l and dJ_dθ their gradients, kept_l what is only saved. Returns L."""
    L = count = 0
    there = set(graph.nodes)
    for node in graph.nodes:
        meta = node.meta
        if meta.get("turn"):
            break
        if node is J:
            meta["symbol"] = "J"
        elif node.op == "placeholder":
            meta["symbol"] = node.name
        elif "layer" in meta and meta["kind"] == "data forward":
            count += 1
            meta["symbol"] = f"x_{count}"
        elif node.target is operator.getitem and "symbol" in node.args[0].meta:
            meta["symbol"] = f"{node.args[0].meta['symbol']}_{node.args[1]}"
        if node in ends:
            L = count
    for node, g in gs.items():
        if g in there and not g.meta.get("symbol", "").startswith("g_"):
            symbol = node.meta.get("symbol", node.name)
            is_theta = node.meta.get("what") == "theta"
            g.meta["symbol"] = f"dJ_d{symbol}" if is_theta else f"g_{symbol.removeprefix('x_')}"
            g.meta["gradient of"] = symbol
            if is_theta:
                g.meta["theta"] = node.meta["name"]
    for layer in layers:
        for node in layer.saved:
            if node in there and "symbol" not in node.meta and "layer" not in node.meta:
                symbol = layer.outs[0].meta.get("symbol", "")
                node.meta["symbol"] = f"kept_{symbol.removeprefix('x_')}"
    for node in graph.nodes:
        if "symbol" not in node.meta and "layer" in node.meta:
            layer = node.meta["layer"]
            node.meta["symbol"] = f"{layer.title or layer.__name__.lower()}_1"
    return L
