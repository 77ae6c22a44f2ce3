"""The backward pass over a `Tape` (Algorithm 14.1, lines 8 to 13), recorded on the same tape: layers, linear in g.

g_J = 1
g_in, dJ/dθ = g_out L^x, g_out L^θ       for each layer, last to first: (14.10), (14.8)
g = g^a + g^b                            of a value that several layers read: (14.46); of a shared θ: (14.47)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from ...layer.base import real
from ...layers.core.branch import add_n
from .tape import RecordedLayer, Tape


def backward_pass(tape: Tape, J: Tensor) -> dict[fx.Node, fx.Node]:
    """The gradient of each value that J depends on: its node → the node of its g."""
    tape.in_backward_pass = True
    end = tape.node(J)
    with torch.no_grad():
        arrived = {end: torch.ones(J.shape, dtype=J.dtype, device=J.device)}
        for layer in reversed(tape.layers):
            if any(node in arrived for node in layer.outs):
                _through(tape, layer, arrived)
        return {node: tape.node(g) for node, g in arrived.items()}


def _through(tape: Tape, recorded: RecordedLayer, arrived: dict[fx.Node, Tensor]) -> None:
    tape.inside.append(recorded.module)
    tape.of = recorded.outs[0]
    g_out = [
        arrived[node] if node in arrived else torch.zeros(like.shape, dtype=like.dtype, device=like.device)
        for node, like in zip(recorded.outs, recorded.likes, strict=True)
    ]
    g_of_all: Any = tuple(g_out) if recorded.layer.many else g_out[0]
    g_in: Sequence[Tensor | None] = recorded.layer.vjp(recorded.needs, g_of_all, *recorded.remembered)
    for node, g, is_real in zip(recorded.ins, g_in, recorded.reals, strict=True):
        if node is not None and g is not None:
            g = real(g) if is_real else g
            arrived[node] = add_n(arrived[node], g) if node in arrived else g
    tape.inside.pop()
