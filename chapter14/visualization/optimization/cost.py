"""J of a batch of pictures: the transforms, the network and the objectives in sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from ... import functional as F
from ...conversion.by_hand import by_hand
from ...layer.base import cast
from ...models.pretrained import Pretrained
from ..activations.hooks import MODEL_ERRORS, PICTURE, Position, activation_hooks, frozen_chain
from ..objectives.objective import Objective, Value, per_picture
from ..transforms.transform import Together, Transform
from .redirected_relu import redirected

CostFunction = Callable[..., Tensor]
Chain = Callable[[Tensor], dict[str, Tensor] | None]


@dataclass(frozen=True)
class Settings:
    """How the network is evaluated; see `visualize`."""

    transforms: Sequence[Transform]
    through_relu: int = 0
    precision: torch.dtype | None = None
    compile: bool = False
    _chains: dict[Any, Chain | None] = field(default_factory=dict, repr=False, compare=False)

    def chains(self, network: Pretrained, objective: Objective) -> list[tuple[Chain, Objective]]:
        """The network as frozen chains, each with the objective of its output; for a neuron, first its place alone."""
        if self.compile:
            return []
        asked: list[tuple[Position | None, Objective]] = [(None, objective)]
        if objective.place:
            asked.insert(0, objective.place)
        found = []
        for at, part in asked:
            key = objective.layers, at
            if key not in self._chains:
                self._chains[key] = frozen_chain(network, objective.layers, self.precision, at)
            if (chain := self._chains[key]) is not None:
                found.append((chain, part))
        return found


@contextmanager
def cost_function(network: Pretrained, objectives: Sequence[Objective], settings: Settings) -> Iterator[CostFunction]:
    """(step, x [B, C, H, W], B generators) → J [B] = -objective, an objective for each picture.

    With `priors=False`, J is the same, without the gradient of objectives of the picture itself.

    Raises, when it is called:
        ValueError: the network cannot take pictures of this size; or an objective does not depend on x.
    """
    objective, transform = per_picture(objectives), Together(settings.transforms)
    value = objective.bind(network)
    chains = [(chain, part.bind(network)) for chain, part in settings.chains(network, objective)]
    with activation_hooks(network, objective.layers, stop=not settings.compile) as collect:
        forward = torch.compile(collect) if settings.compile else collect

        def by_hooks(step: int, x: Tensor) -> dict[str, Tensor]:
            with ExitStack() as stack:
                stack.enter_context(by_hand())
                if settings.precision is not None:
                    stack.enter_context(torch.autocast(x.device.type, settings.precision))
                if step < settings.through_relu:
                    stack.enter_context(redirected(network.model))
                return forward(x)

        def J(step: int, x: Tensor, draws: Sequence[Generator], priors: bool = True) -> Tensor:
            def cost(value: Value, seen: dict[str, Tensor]) -> Tensor:
                x_l = {layer: cast(x_out, x.dtype) for layer, x_out in seen.items()}
                found = F.mul(value(x_l | {PICTURE: x if priors else x.detach()}), -1)
                if x.requires_grad and not found.requires_grad:
                    raise ValueError(f"{objective.name}: its value does not depend on what is drawn.")
                return found

            x_in = transform(x, draws)
            for chain, chain_value in chains if step >= settings.through_relu else ():
                with suppress(*MODEL_ERRORS):  # the hooks below repeat the error, with the name of the network
                    if (seen := chain(x_in)) is not None:
                        return cost(chain_value, seen)
            return cost(value, by_hooks(step, x_in))

        yield J
