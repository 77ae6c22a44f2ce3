"""A recorded network, printed as Algorithm 14.1: one line a layer forward; backward one for each g and each dJ/dθ.

    g_2 = linear(g_3, 2.weightᵀ)         what goes between two values that have a line is nested, where it is short,
    g_1 = 23 layers of g_2, x_1          and counted where it is long

`print(network.latest.module.code)` has all of it, and the constants.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator

from torch import fx

from ...layers.core.arrange import Transpose
from .recording import Recorded

WIDTH = 64  #: of what is still written out


def algorithm(recorded: Recorded) -> str:
    """Input, output, and the two passes, with shapes, and the modules that the layers are of."""
    nodes = [node for node in recorded.module.graph.nodes if node.op != "output"]
    given = {what: [n for n in nodes if n.meta.get("what") == what] for what in ("theta", "x", "y")}
    data = ", ".join(f"{n.name} {_shape(n)}" for n in (*given["x"], *given["y"]))
    theta = ", ".join(f"{n.meta['name']} {_shape(n)}" for n in given["theta"])
    turn = next(i for i, n in enumerate(nodes) if n.meta.get("turn"))
    lines = [f"Input:  θ = {{{theta}}}", f"        datapoints {{{data}}}", "Output: J, dJ/dθ, dJ/dx = g_0", ""]
    lines += [
        "Forward pass:",
        *_columns(_forward(nodes[:turn])),
        "",
        "Backward pass:",
        *_columns(_backward(nodes[turn:])),
    ]
    return "\n".join(lines)


def _forward(nodes: list[fx.Node]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if "layer" in node.meta:
            note = f"{_shape(node)} {node.meta['module']}".rstrip()
            yield f"{_name(node)} = {_made(node)}", note


def _backward(nodes: list[fx.Node]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if node.meta.get("turn"):
            yield f"{_name(node)} = 1", _shape(node)
        elif "gradient of" in node.meta:
            yield f"{_name(node)} = {_made(node)}", _shape(node)


def _columns(lines: Iterator[tuple[str, str]]) -> list[str]:
    rows = list(lines)
    width = max(len(text) for text, _ in rows)
    return [f"  {text:{width}}  {note}".rstrip() for text, note in rows]


def _made(node: fx.Node) -> str:
    """What makes a value that has a line, out of those that have one."""
    text = _call(node)
    if len(text) <= WIDTH:
        return text
    between, made_of = _behind(node)
    return f"{between} layers of {', '.join(made_of)}"


def _call(node: fx.Node) -> str:
    if node.target is operator.getitem:
        return f"{_call(node.args[0])}[{node.args[1]}]"  # type: ignore[arg-type]
    layer = node.meta.get("layer")
    name = (layer.title or layer.__name__.lower()) if layer else getattr(node.target, "__name__", node.target)
    return f"{name}({', '.join(_used(node))})"


def _used(node: fx.Node) -> list[str]:
    """The tensors that a call takes, by name, or how they are made. What is no layer, as a mask, is looked through."""
    found: list[str] = []

    def look(n: fx.Node) -> fx.Node:
        if _has_name(n):
            found.append(_name(n))
        elif "layer" in n.meta or n.target is operator.getitem:
            found.append(_call(n))
        else:
            found.extend(_used(n))
        return n

    fx.node.map_arg((node.args, node.kwargs), look)
    return found


def _behind(node: fx.Node) -> tuple[int, list[str]]:
    """How many layers there are from the values with a line to this one, and which those are."""
    count, names, ahead, seen = 0, [], [node], {node}
    while ahead:
        at = ahead.pop(0)
        count += "layer" in at.meta
        for n in at.all_input_nodes:
            if _has_name(n):
                names.append(_name(n))
            elif n not in seen:
                seen.add(n)
                ahead.append(n)
    return count, list(dict.fromkeys(names))


def _has_name(node: fx.Node) -> bool:
    """Whether it is given, or has a line, or is one of several that a line gives."""
    line = node.name.startswith("x_") or node.name == "J" or "turn" in node.meta or "gradient of" in node.meta
    return line or "what" in node.meta or _is_transposed(node)


def _name(node: fx.Node) -> str:
    if node.meta.get("what") in ("theta", "buffer"):
        return node.meta["name"]
    if "theta" in node.meta:
        return f"dJ/d{node.meta['theta']}"
    return f"{node.args[0].meta['name']}ᵀ" if _is_transposed(node) else node.name  # type: ignore[union-attr]


def _is_transposed(node: fx.Node) -> bool:
    """Whether it is θ, transposed."""
    whole = node.args[0] if node.meta.get("layer") is Transpose else None
    return isinstance(whole, fx.Node) and whole.meta.get("what") == "theta"


def _shape(node: fx.Node) -> str:
    """Of several, that of the first."""
    shape = node.meta["shape"] if "shape" in node.meta else next(iter(node.users)).meta["shape"]
    return f"[{' x '.join(map(str, shape))}]"
