"""Whose derivatives they are: a walk through the backward graph, node by node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from ..layer import Node


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
        said = f"{self.fraction:.0%} by hand: {ours} of {ours + theirs} nodes"
        return said + "".join(f"\n  native: {name} {count}" for name, count in sorted(self.native.items()))


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
        made_by = getattr(type(node), "_forward_cls", type(None))
        name = node.name().removeprefix("torch::autograd::")
        if issubclass(made_by, Node):
            by_hand[made_by.layer.__name__] += 1  # type: ignore[union-attr]
        elif name != "AccumulateGrad":
            native[name] += 1
        ahead += [before for before, _ in node.next_functions if before is not None]
    return Audit(dict(by_hand), dict(native))
