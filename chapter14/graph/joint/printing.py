"""A recorded network, printed as Algorithm 14.1: one line a layer forward; backward one for each g and each dJ/dθ.

    g_2 = linear(g_3, 2.weightᵀ)         short calls are nested
    g_1 = 23 layers of g_2, x_1          in long ones, the layers are counted

`print(network.latest.module.code)` prints every call and constant.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator

from torch import fx

from ...layers.core.arrange import Transpose
from .recording import Recorded

WIDTH = 64  #: of the longest nested call


def algorithm(recorded: Recorded) -> str:
    """Input, output, and the two passes, with the shape of each value and the module of each layer."""
    nodes = [node for node in recorded.module.graph.nodes if node.op != "output"]
    given = {what: [n for n in nodes if n.meta.get("what") == what] for what in ("theta", "x", "y")}
    data = ", ".join(f"{n.name} {_shape(n)}" for n in (*given["x"], *given["y"]))
    theta = ", ".join(f"{n.meta['name']} {_shape(n)}" for n in given["theta"])
    turn = next(i for i, n in enumerate(nodes) if n.meta.get("turn"))
    lines = [f"Input:  θ = {{{theta}}}", f"        datapoints {{{data}}}", "Output: J, dJ/dθ, dJ/dx = g_0", ""]
    lines += ["Forward pass:", *_columns(_forward(nodes[:turn])), ""]
    lines += ["Backward pass:", *_columns(_backward(nodes[turn:]))]
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
    """The right side of a value's line, in terms of the values that have a line."""
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
    """The tensors that a call takes: their names, or the calls that make them; for a mask, what it is made of."""
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
    """The number of layers between this value and the values with a line, and the names of those."""
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
    """Whether it is an input, or has a line, or is one of a line's several values."""
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
    """Of several values, the shape of the first."""
    shape = node.meta["shape"] if "shape" in node.meta else next(iter(node.users)).meta["shape"]
    return f"[{' x '.join(map(str, shape))}]"
