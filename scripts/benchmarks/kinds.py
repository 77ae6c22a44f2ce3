"""Where the time of a training step goes: forward and backward pass, by kind of layer, in CPU time on one thread."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

#: What is no module of its own: functions, such as sums and attention, and the losses.
OTHERS = "functions"
LEAVES = "gradients of parameters, added up"

#: (kind, pass) -> seconds.
Spent = dict[tuple[str, str], float]


class Clock:
    """Sums the time between `start` and `stop`, and, `aside`, that of the hooks."""

    def __init__(self) -> None:
        self.spent: Spent = defaultdict(float)
        self.since = self.aside = 0.0

    def start(self, *_: Any) -> None:
        self.since = time.thread_time()

    def stop(self, kind: str, which: str) -> None:
        self.spent[kind, which] += time.thread_time() - self.since


def by_kind(both: dict[str, nn.Module], x: Tensor, y: Tensor, repeats: int) -> dict[str, Spent]:
    """The median over the repeats, of each variant; they take turns."""
    found: dict[str, list[Spent]] = {way: [] for way in both}
    for turn in range(repeats + 1):  # the first is a warm-up
        for way, J in both.items():
            spent = _once(J, x, y)
            if turn:
                found[way].append(spent)
    return {way: {key: statistics.median(s.get(key, 0) for s in all) for key in all[0]} for way, all in found.items()}


def _once(J: nn.Module, x: Tensor, y: Tensor) -> Spent:
    J.zero_grad()
    clock, owners = Clock(), {}
    with _timed(J, clock, owners):
        start = time.thread_time()
        cost = J(x, y)
        whole = time.thread_time() - start
    clock.spent[OTHERS, "forward"] = whole - clock.aside - sum(clock.spent.values())
    nodes = list(_nodes(cost.grad_fn, set()))
    for node in nodes:
        kind = LEAVES if hasattr(node, "variable") else owners.get(node, OTHERS)
        node.register_prehook(clock.start)
        node.register_hook(lambda *_, kind=kind: clock.stop(kind, "backward"))
    cost.backward()
    return clock.spent


@contextmanager
def _timed(J: nn.Module, clock: Clock, owners: dict[Any, str]) -> Iterator[None]:
    """Hooks that time each module without children, and note which nodes of the backward graph are its own."""

    earlier: set[Any] = set()

    def before(module: nn.Module, inputs: tuple) -> None:
        earlier.clear()  # only now: a layer in place changes what its input is made by
        earlier.update(t.grad_fn for t in inputs if isinstance(t, Tensor))
        clock.start()

    def after(module: nn.Module, inputs: tuple, x_out: Any) -> None:
        kind = type(module).__name__
        clock.stop(kind, "forward")
        begin = time.thread_time()
        tensors = [t for t in (x_out if isinstance(x_out, tuple) else (x_out,)) if isinstance(t, Tensor)]
        for t in tensors:
            owners.update(dict.fromkeys(_nodes(t.grad_fn, earlier), kind))
        clock.aside += time.thread_time() - begin

    with ExitStack() as hooks:
        for module in J.modules():
            if not list(module.children()):
                hooks.callback(module.register_forward_pre_hook(before).remove)
                hooks.callback(module.register_forward_hook(after).remove)
        yield


def _nodes(node: Any, seen: set[Any]) -> Iterator[Any]:
    """The nodes before this one, and itself, but for those seen and what is before them."""
    ahead = [node]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            ahead += [earlier for earlier, _ in node.next_functions]


def table(found: dict[str, Spent]) -> str:
    """Milliseconds of ours and of native's, the largest loss first."""
    kinds = {kind for spent in found.values() for kind, _ in spent}
    parts = [(way, which) for which in ("forward", "backward") for way in ("ours", "native")]
    ms = {kind: [1e3 * found[way].get((kind, which), 0) for way, which in parts] for kind in kinds}
    lost = {kind: row[0] - row[1] + row[2] - row[3] for kind, row in ms.items()}
    rows = [[kind, *(f"{t:.2f}" for t in (*ms[kind], lost[kind]))] for kind in sorted(kinds, key=lambda k: -lost[k])]
    total = [sum(row[i] for row in ms.values()) for i in range(4)]
    rows.append(["all", *(f"{t:.2f}" for t in (*total, sum(lost.values())))])
    head = ["ms", *(f"{which}, {way}" for way, which in parts), "lost"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
