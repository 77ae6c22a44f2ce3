"""When each value of a recorded network is freed, and how much memory that takes.

Each value is freed after its last use: the code that fx generates has `x_1 = None` there. A value that only the
backward pass uses, such as a mask, is computed as late as possible without holding its inputs any longer (`sunk`).
"""

from __future__ import annotations

import itertools
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import fx

from ...layers.core.bitmask import packed, unpacked


def stays(node: fx.Node, written: set[int]) -> bool:
    """Whether a node cannot be moved: it draws random numbers, writes, or uses memory that is written into."""
    if node.op not in ("call_function", "call_method") or node.target is operator.getitem:
        return True
    if node.meta.get("writes") or node.meta.get("given"):
        return True
    return any(n.meta.get("memory") in written for n in (node, *node.all_input_nodes))


def written(nodes: Iterable[fx.Node]) -> set[int]:
    """The memory that the nodes write into."""
    return {node.args[0].meta["memory"] for node in nodes if node.meta.get("writes")}  # type: ignore[union-attr]


def remove_unused(graph: fx.Graph) -> None:
    """Removes the nodes whose value is not used."""
    for node in reversed(graph.nodes):
        idle = not node.users and node.op not in ("placeholder", "output")
        if idle and not node.meta.get("writes") and not node.meta.get("given") and not node.meta.get("keep"):
            graph.erase_node(node)


def sunk(graph: fx.Graph) -> None:
    """Moves nodes that are not layers as far down as possible without holding other values any longer."""
    overwritten = written(graph.nodes)
    moves = {node for node in graph.nodes if node.users and "layer" not in node.meta and not stays(node, overwritten)}
    sharing: dict[Any, list[fx.Node]] = defaultdict(list)
    for node in graph.nodes:
        sharing[node.meta.get("memory")].append(node)
    for node in reversed(list(graph.nodes)):
        if node in moves:
            until = min(node.users)  # nodes compare by their place
            for anchor in _anchors(node, moves):
                uses = [u for n in sharing[anchor.meta.get("memory")] for u in n.users if u not in moves]
                until = min(until, max(uses, default=anchor))
            if node < until:
                until.prepend(node)
    _unpacked_at_once(graph)


def _anchors(node: fx.Node, moves: set[fx.Node]) -> Iterator[fx.Node]:
    """The inputs of a node that are freed at some time; for an input that moves with it, that one's inputs."""
    for used in node.all_input_nodes:
        if used in moves and len(used.users) == 1:
            yield from _anchors(used, moves)
        elif used.op not in ("placeholder", "get_attr"):
            yield used


def _unpacked_at_once(graph: fx.Graph) -> None:
    """Removes the packing of masks that are packed and unpacked in the backward pass."""
    order = {node: i for i, node in enumerate(graph.nodes)}
    turn = next((i for node, i in order.items() if node.meta.get("turn")), 0)
    for node in list(graph.nodes):
        bits = node.args[0] if node.target is unpacked else None
        if isinstance(bits, fx.Node) and bits.target is packed and order[bits] > turn:
            node.replace_all_uses_with(bits.args[0])  # type: ignore[arg-type]
            graph.erase_node(node)
    remove_unused(graph)


@dataclass(frozen=True)
class Plan:
    """Bytes of the values of a recorded network, without θ, buffers and y."""

    kept: int  #: saved by the forward pass for the backward pass
    peak: int  #: the most at any time, without temporary memory inside layers
    values: int  #: of all values, if none were freed

    def __str__(self) -> str:
        return f"kept {self.kept:,}, at most {self.peak:,}, of {self.values:,} bytes"


def plan(graph: fx.Graph, is_given: Callable[[fx.Node], bool]) -> Plan:
    """`is_given` returns whether a placeholder is not counted."""
    place = {node: i for i, node in enumerate(graph.nodes)}
    given = {n.meta.get("memory") for n in place if n.op == "get_attr" or (n.op == "placeholder" and is_given(n))}
    size: dict[int, int] = {}
    times: dict[int, list[int]] = {}  # of each memory: when it is allocated, and when it is used
    for node, i in place.items():
        memory = node.meta.get("memory")
        if memory is not None and memory not in given:
            size[memory] = node.meta["bytes"]
            times.setdefault(memory, [i]).extend(place[user] for user in node.users)
    turn = next(i for node, i in place.items() if node.meta.get("turn"))
    output = len(place) - 1  # uses J and the gradients
    kept = sum(size[m] for m, at in times.items() if at[0] < turn and any(turn < i < output for i in at))
    changes = [0] * (len(place) + 1)
    for m, at in times.items():
        changes[at[0]] += size[m]
        changes[max(at) + 1] -= size[m]
    return Plan(kept, max(itertools.accumulate(changes)), sum(size.values()))
