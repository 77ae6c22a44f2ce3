"""Which derivatives of a backward graph are by hand, and how many bytes it saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..layer.node import layer_names
from ..layer.recorder import following


@dataclass(frozen=True)
class Audit:
    """The counts of the nodes of a backward graph, by name, without AccumulateGrad, which is not a derivative.

    The node of a traced model counts as those of its layers.
    """

    by_hand: dict[str, int]
    native: dict[str, int]

    @property
    def fraction(self) -> float:
        """The fraction of the nodes that are layers: 0 to 1."""
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
    """Every node that the gradient of `output` passes through.

    Raises:
        ValueError: no output has a backward graph.
    """
    outputs = [output] if isinstance(output, Tensor) else list(output)
    ahead = [t.grad_fn for t in outputs if t.grad_fn is not None]
    if not ahead:
        raise ValueError("audit: the output has no backward graph: no input requires a gradient.")
    seen: set = set()
    by_hand: Counter[str] = Counter()
    native: Counter[str] = Counter()
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        layers, name = layer_names(node), node.name().removeprefix("torch::autograd::")
        by_hand.update(layers)
        if not layers and name != "AccumulateGrad":
            native[name] += 1
        ahead += [before for before, _ in node.next_functions if before is not None]
    return Audit(dict(by_hand), dict(native))


@dataclass(frozen=True)
class Saved:
    """The bytes that the forward pass saves for the backward pass, by the module that saves them."""

    layers: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.layers.values())

    def __str__(self) -> str:
        width = max((len(name) for name in self.layers), default=0)
        rows = [f"{name or '(itself)':{max(width, 8)}}  {n:>14,}" for name, n in self.layers.items()]
        return "\n".join([*rows, f"{'in all':{max(width, 8)}}  {self.total:>14,} bytes"])

    def beside(self, native: Saved) -> str:
        """A table of both, layer by layer; this one is the column `ours`."""
        names = list(dict.fromkeys([*native.layers, *self.layers]))
        width = max([8, *map(len, names)])
        rows = [(name or "(itself)", self.layers.get(name, 0), native.layers.get(name, 0)) for name in names]
        lines = [f"{name:{width}}  {a:>14,} {b:>14,}" for name, a, b in [*rows, ("in all", self.total, native.total)]]
        return "\n".join([f"{'bytes':{width}}  {'ours':>14} {'native':>14}", *lines])


def saved_bytes(model: Callable[..., Any], *inputs: Any) -> Saved:
    """The bytes that `model(*inputs)` saves for its backward pass, layer by layer; `model` is a module or a function.

    Memory that several layers save is counted once, for the first. Parameters and buffers are not counted.
    """
    owned = [*model.parameters(), *model.buffers()] if isinstance(model, nn.Module) else []
    there = {t.untyped_storage().data_ptr() for t in owned}
    saved: dict[int, tuple[str, int]] = {}
    inside = [""]

    def save(t: Tensor) -> Tensor:
        memory = t.untyped_storage()
        if memory.data_ptr() not in there:
            saved.setdefault(memory.data_ptr(), (inside[-1], memory.nbytes()))
        return t.detach()  # t itself may be the output of the node that saves it, and would keep the whole graph alive

    with following(model, inside), saved_tensors_hooks(save, lambda t: t), torch.enable_grad():
        x_out = model(*inputs)  # freed last, so that no memory is reused while it is counted
    del x_out
    layers: Counter[str] = Counter()
    for name, n in saved.values():
        layers[name] += n
    return Saved(dict(layers))
