"""J of a batch of pictures, as a function of the pictures: the transforms, the network and the objectives in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from ... import functional as F
from ...conversion.by_hand import by_hand
from ...layer import cast
from ...models.load import Pretrained
from ..activations.hooks import FAILURES, PICTURE, Lean, Place, chained, watched
from ..objectives.objective import Objective, Value, each
from ..transforms.transform import Together, Transform
from .redirected_relu import redirected

Node = Callable[..., Tensor]


@dataclass(frozen=True)
class Settings:
    """How the network is looked through; `visualize` says what each is."""

    transforms: Sequence[Transform]
    through_relu: int = 0
    precision: torch.dtype | None = None
    compile: bool = False
    _chains: dict[Any, Lean | None] = field(default_factory=dict, repr=False, compare=False)

    def chain(self, network: Pretrained, layers: frozenset[str], at: Place | None = None) -> Lean | None:
        """The network as one chain, made once; None where it cannot be."""
        if (layers, at) not in self._chains:
            self._chains[layers, at] = chained(network, layers, self.precision, at)
        return self._chains[layers, at]

    def lean(self, network: Pretrained, objective: Objective) -> list[tuple[Lean, Objective]]:
        """Chains, and the objective of what each gives: first, of one neuron, no more than its place."""
        if self.compile:
            return []
        asked = [(self.chain(network, objective.layers), objective)]
        if objective.place:
            at, there = objective.place
            asked.insert(0, (self.chain(network, objective.layers, at), there))
        return [(chain, its) for chain, its in asked if chain is not None]


@contextmanager
def node(network: Pretrained, objectives: Sequence[Objective], settings: Settings) -> Iterator[Node]:
    """(step, x [B, C, H, W], B generators) → J [B] = -objective, an objective for each picture.

    With `priors=False`, what J says of the picture itself is the same, and has no gradient.

    Raises, when it is called:
        ValueError: the network cannot take pictures of this size.
    """
    objective, transform = each(objectives), Together(settings.transforms)
    value = objective.bind(network)
    lean = [(chain, its.bind(network)) for chain, its in settings.lean(network, objective)]
    with watched(network, objective.layers, stop=not settings.compile) as watch:
        plain = torch.compile(watch) if settings.compile else watch

        def look(step: int, x: Tensor) -> dict[str, Tensor]:
            with ExitStack() as within:
                within.enter_context(by_hand())
                if settings.precision is not None:
                    within.enter_context(torch.autocast(x.device.type, settings.precision))
                if step < settings.through_relu:
                    within.enter_context(redirected(network.model))
                return plain(x)

        def J(step: int, x: Tensor, draws: Sequence[Generator], priors: bool = True) -> Tensor:
            def cost(value: Value, seen: dict[str, Tensor]) -> Tensor:
                x_l = {layer: cast(x_out, x.dtype) for layer, x_out in seen.items()}
                return F.mul(value(x_l | {PICTURE: x if priors else x.detach()}), -1)

            x_in = transform(x, draws)
            for chain, its in lean if step >= settings.through_relu else ():
                with suppress(*FAILURES):  # then the network itself says what is wrong, in its own words
                    if (seen := chain(x_in)) is not None:
                        return cost(its, seen)
            return cost(value, look(step, x_in))

        yield J
