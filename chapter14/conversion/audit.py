"""Whose derivatives they are, and what they cost in memory: a walk through the backward graph, and what it keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..layer.node import layer_of
from ..layer.recorder import following


@dataclass(frozen=True)
class Audit:
    """The nodes of a backward graph, by name. AccumulateGrad, which is no derivative, is not counted."""

    by_hand: dict[str, int]
    native: dict[str, int]

    @property
    def fraction(self) -> float:
        """How much of the graph is made of layers: 0 to 1."""
        ours, theirs = sum(self.by_hand.values()), sum(self.native.values())
        return ours / (ours + theirs)

    def __str__(self) -> str:
        ours, theirs = sum(self.by_hand.values()), sum(self.native.values())
        rows = [f"{self.fraction:.0%} by hand: {ours} of {ours + theirs} nodes"]
        width = max(map(len, [*self.native, *self.by_hand]))
        for whose, nodes in (("native", self.native), ("by hand", self.by_hand)):
            by_count = sorted(nodes.items(), key=lambda node: (-node[1], node[0]))
            rows += [f"  {whose:8} {name:{width}} {count:6}" for name, count in by_count]
        return "\n".join(rows)


def audit(output: Tensor | Iterable[Tensor]) -> Audit:
    """Every node that the gradient of `output` would pass through.

    Raises:
        ValueError: there is no backward graph behind any output.
    """
    outputs = [output] if isinstance(output, Tensor) else list(output)
    ahead = [t.grad_fn for t in outputs if t.grad_fn is not None]
    if not ahead:
        raise ValueError("audit: the output has no backward graph: nothing behind it asks for a gradient.")
    seen: set = set()
    by_hand: Counter[str] = Counter()
    native: Counter[str] = Counter()
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        layer, name = layer_of(node), node.name().removeprefix("torch::autograd::")
        if layer is not None:
            by_hand[layer.__name__] += 1
        elif name != "AccumulateGrad":
            native[name] += 1
        ahead += [before for before, _ in node.next_functions if before is not None]
    return Audit(dict(by_hand), dict(native))


@dataclass(frozen=True)
class Saved:
    """The bytes that the forward pass keeps for the backward pass, by the module that keeps them."""

    layers: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.layers.values())

    def __str__(self) -> str:
        width = max((len(name) for name in self.layers), default=0)
        rows = [f"{name or '(itself)':{max(width, 8)}}  {n:>14,}" for name, n in self.layers.items()]
        return "\n".join([*rows, f"{'in all':{max(width, 8)}}  {self.total:>14,} bytes"])

    def beside(self, native: Saved) -> str:
        """A table of both, layer by layer; this one is ours."""
        names = list(dict.fromkeys([*native.layers, *self.layers]))
        width = max([8, *map(len, names)])
        rows = [(name or "(itself)", self.layers.get(name, 0), native.layers.get(name, 0)) for name in names]
        lines = [f"{name:{width}}  {a:>14,} {b:>14,}" for name, a, b in [*rows, ("in all", self.total, native.total)]]
        return "\n".join([f"{'bytes':{width}}  {'ours':>14} {'native':>14}", *lines])


def saved_bytes(model: Callable[..., Any], *inputs: Any) -> Saved:
    """What `model(*inputs)` keeps for its backward pass, layer by layer; `model` is a module or a function.

    Memory that several layers keep is counted once, for the first; parameters and buffers, which are there anyway, are
    not counted.
    """
    owned = [*model.parameters(), *model.buffers()] if isinstance(model, nn.Module) else []
    there = {t.untyped_storage().data_ptr() for t in owned}
    kept: dict[int, tuple[str, int]] = {}
    inside = [""]

    def keep(t: Tensor) -> Tensor:
        memory = t.untyped_storage()
        if memory.data_ptr() not in there:
            kept.setdefault(memory.data_ptr(), (inside[-1], memory.nbytes()))
        return t.detach()  # t itself, as the output of the node that keeps it, would keep the whole graph alive

    with following(model, inside), saved_tensors_hooks(keep, lambda t: t), torch.enable_grad():
        x_out = model(*inputs)  # held until the bytes are counted, so that no memory is counted for another
    del x_out
    layers: Counter[str] = Counter()
    for name, n in kept.values():
        layers[name] += n
    return Saved(dict(layers))
