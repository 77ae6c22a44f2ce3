"""A recorded network, printed as Algorithm 14.1: one line a layer forward; backward one for each g and each dJ/dθ.

Where g L takes several layers, as for a norm, the line says how many; `print(network.latest.module.code)` has them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx

from ..layers.arrange import Transpose
from .recorded import Recorded


def algorithm(recorded: Recorded) -> str:
    """Input, output, and the two passes, with shapes."""
    nodes = [node for node in recorded.module.graph.nodes if node.op != "output"]
    given = {what: [n for n in nodes if n.meta.get("what") == what] for what in ("theta", "x", "y", "buffer")}
    data = ", ".join(map(_with_shape, (*given["x"], *given["y"])))
    theta = ", ".join(f"{n.meta['name']} {_shape(n)}" for n in given["theta"])
    lines = [f"Input:  θ = {{{theta}}}", f"        datapoints {{{data}}}", "Output: J, dJ/dθ, dJ/dx = g_0", ""]
    turn = next(i for i, n in enumerate(nodes) if n.meta.get("turn"))
    lines += [
        "Forward pass:",
        *_column(_forward(nodes[:turn])),
        "",
        "Backward pass:",
        *_column(_backward(nodes[turn:])),
    ]
    return "\n".join(lines)


def _forward(nodes: list[fx.Node]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if "layer" in node.meta:
            yield f"{_said(node)} = {_call(node)}", f"{_shape(node)}  {node.meta.get('module', '')}"


def _backward(nodes: list[fx.Node]) -> Iterator[tuple[str, str]]:
    """Each g, with how many layers it took since the one before."""
    since = 0
    for node in nodes:
        if node.meta.get("turn"):
            yield f"{_said(node)} = 1", _shape(node)
            continue
        since += "layer" in node.meta and not _is_transposed(node)
        if "gradient of" in node.meta:
            more = f"   (the last of {since} layers)" if since > 1 else ""
            yield f"{_said(node)} = {_call(node)}{more}", _shape(node)
            since = 0


def _column(lines: Iterator[tuple[str, str]]) -> list[str]:
    rows = list(lines)
    width = min(max((len(text) for text, _ in rows), default=0), 72)
    return [f"  {text:{width}}  {note}".rstrip() for text, note in rows]


def _call(node: fx.Node) -> str:
    layer: Any = node.meta.get("layer")
    name = (layer.title or layer.__name__.lower()) if layer else getattr(node.target, "__name__", str(node.target))
    return f"{name}({', '.join(text for a in node.args if (text := _argument(a)) is not None)})"


def _argument(a: Any) -> str | None:
    if isinstance(a, fx.Node):
        return _said(a) if a.op != "get_attr" else None
    if isinstance(a, (list, tuple)) and any(isinstance(b, fx.Node) for b in a):
        return ", ".join(text for b in a if (text := _argument(b)) is not None)
    return None if a is None else str(list(a)) if isinstance(a, torch.Size) else repr(a)


def _said(node: fx.Node) -> str:
    if node.meta.get("what") in ("theta", "buffer"):
        return node.meta["name"]
    if node.name.startswith("dJ_dtheta_"):
        return "dJ/d" + node.meta["theta"]
    return f"{node.args[0].meta['name']}ᵀ" if _is_transposed(node) else node.name  # type: ignore[union-attr]


def _is_transposed(node: fx.Node) -> bool:
    """Whether it is θ, transposed."""
    layer = node.meta.get("layer")
    return layer is Transpose and isinstance(node.args[0], fx.Node) and node.args[0].meta.get("what") == "theta"


def _shape(node: fx.Node) -> str:
    if "shape" not in node.meta:
        return ""
    return f"[{' x '.join(map(str, node.meta['shape']))}]"


def _with_shape(node: fx.Node) -> str:
    return f"{node.name} {_shape(node)}"
