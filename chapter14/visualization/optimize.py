"""The loop of section 14.9: gradient descent, on the data.

    J(x, θ) = -x_l[i],     x <- x - η (dJ/dx)^T

Here the parameters stay, and x moves. Steps have a given length, so η is that over the length of the gradient. What is
descended in may be another way to write x down (image.py); then it is the θ of (14.9), and dJ/dθ = dJ/dx L^θ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import functional as F
from ..models.zoo import Pretrained, load
from .image import Image, Pixels
from .look import fixed, watched
from .objective import Objective, text
from .transform import Flip, Jitter, Noise, Together, Transform

PIXELS = Pixels()
TRANSFORMS = (Jitter(1), Flip(), Noise(0.05))
CYCLES = (0.4, 0.6, 0.8)
TAPER = 0.25  # the share of the steps, at the end, that grow shorter


class DeadNeuron(ValueError):
    """The gradient of the objective is zero everywhere: there is no way up."""


class Step(NamedTuple):
    J: Tensor  # [B], before the step, with its graph
    x: Tensor  # [B, 3, H, W], after the step


class Visualization(NamedTuple):
    x: Tensor  # [B, 3, H, W], entries from -1 to 1
    history: Tensor  # [steps, B], J before each step


def visualize(
    model: str | Path | Pretrained | nn.Module,
    objective: str | Objective,
    *,
    count: int = 1,
    seed: int = 0,
    steps: int = 60,
    cycles: Sequence[float] = CYCLES,
    size: int | None = None,
    image: Image = PIXELS,
    transforms: Sequence[Transform] = TRANSFORMS,
    on_step: Callable[[Step], None] | None = None,
) -> Visualization:
    """Pictures that raise `objective`: from noise, by gradient descent of J = -objective on the data (14.9).

    Args:
        model: "embedded", a file, or any module that takes x [B, 3, size, size], entries from -1 to 1.
        objective: an `Objective`, or a sentence for a network that reads.
        count: how many pictures, B.
        seed: of all that is random; it repeats the pictures exactly.
        steps: of the first descent. cycles: after it, for each a in turn, the pictures are mixed with fresh noise,
            a x + (1 - a) noise, and descend again, by as much less as they are mixed less.
        size: of a module's pictures, in pixels; other networks know theirs.
        image: what is descended in: `Pixels()`, `Fourier(size)`, `Decorrelated(...)`.
        transforms: what is done to the pictures before the network sees them, drawn anew at each step.
        on_step: called after each step.

    Raises:
        DeadNeuron: dJ/dx is 0 at the start.
        FloatingPointError: J or dJ/dx is NaN or infinite.
        ValueError: the network has no such layer, class or word.
    """
    network = _network(model, size)
    if isinstance(objective, str):
        objective = text(objective)
    generator, transform, history = torch.Generator().manual_seed(seed), Together(transforms), []
    parameter = next(network.model.parameters(), torch.zeros(()))
    x = torch.zeros(count, 3, network.size, network.size).to(parameter)
    value = objective.bind(network)
    with fixed(network.model), watched(network, objective.layers) as look:
        for a in (0.0, *cycles):
            x = a * x + (1 - a) * noise(image, x, generator)
            J = lambda x: F.scale(value(look(transform(x, generator))), -1)  # noqa: E731
            for step in descend(objective.name, J, x, image, lengths(image, x, steps, 1 - a)):
                x = step.x
                history.append(step.J.detach())
                if on_step:
                    on_step(step)
            x = x.clamp(-1, 1)
    return Visualization(x, torch.stack(history))


def noise(image: Image, x: Tensor, generator: torch.Generator) -> Tensor:
    """White noise in θ, as a picture [*x]."""
    theta = torch.randn(image.parameters(x).shape, generator=generator).to(x)
    drawn = image.picture(theta)
    return drawn * (image.noise / drawn.square().mean().sqrt())


def lengths(image: Image, x: Tensor, steps: int, share: float) -> list[float]:
    """The lengths of the steps: of `share` of the way, in as large a share of the steps, tapering at the end."""
    n = _steps(steps, share)
    taper = [min(1.0, (1 - (i + 0.5) / n) / TAPER) for i in range(n)]
    distance = math.sqrt(1.3 * x[0].numel())  # of noise from photographs, root mean square: their variances add up
    return [image.way * share * distance * t / sum(taper) for t in taper]


def steps_in_all(steps: int, cycles: Sequence[float] = CYCLES) -> int:
    """How many `visualize` takes."""
    return sum(_steps(steps, 1 - a) for a in (0.0, *cycles))


def _steps(steps: int, share: float) -> int:
    return max(round(steps * share), 1)


def descend(
    name: str, J: Callable[[Tensor], Tensor], x: Tensor, image: Image, lengths: Sequence[float]
) -> Iterator[Step]:
    """θ <- θ - η (dJ/dθ)^T, where x = image(θ), with the η that moves each picture by `lengths`, one a step.

    J: x [B, 3, H, W] → [B]; `name` is what errors call it.
    """
    theta = image.parameters(x).detach()
    for i, length in enumerate(lengths):
        theta.requires_grad_()
        cost = J(image.picture(theta))
        (g,) = torch.autograd.grad(F.total(cost, ()), theta)
        with torch.no_grad():
            move = image.picture(g)  # a picture is linear in its θ, so this is how dJ/dθ moves it
            norm = move.flatten(1).norm(dim=1)
            if not (cost.isfinite().all() and norm.isfinite().all()):
                raise FloatingPointError(f"{name}: at step {i}, J is {cost.tolist()} and |dJ/dx| {norm.tolist()}.")
            if i == 0 and not norm.all():
                raise DeadNeuron(
                    f"{name} is dead: dJ/dx is zero everywhere at the start. Another seed may find it alive."
                )
            eta = length / norm.clamp(min=torch.finfo(norm.dtype).tiny)
            theta = theta - eta.view(-1, *(1 for _ in theta.shape[1:])) * g
            x = image.picture(theta)
        yield Step(cost, x)


def _network(model: str | Path | Pretrained | nn.Module, size: int | None) -> Pretrained:
    if isinstance(model, Pretrained):
        return model
    if not isinstance(model, nn.Module):
        return load(model)
    if size is None:
        raise ValueError(f"visualize: {type(model).__name__} needs a size, of the pictures that it takes, in pixels.")
    return Pretrained(model, size)
