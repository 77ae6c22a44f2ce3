"""The loop of section 14.9: gradient descent, on the data.

    J(x, θ) = -x_l[i],     x <- x - η (dJ/dx)^T

Here the parameters stay, and x moves. Steps have a given length, so η is that over the length of the gradient. What is
descended in may be another way to write x down (image.py); then it is the θ of (14.9), and dJ/dθ = dJ/dx L^θ.

All that is random in a step is drawn from generators of that step, one a picture. So a picture does not depend on its
neighbours in the batch, and a descent goes on from any step of which x and θ are known.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ... import functional as F
from ..images.image import Image
from ..transforms.transform import randn

TAPER = 0.25  # the share of the steps, at the end of a descent, that grow shorter


class DeadNeuron(ValueError):
    """The gradient of the objective is zero everywhere: there is no way up."""


class Move(NamedTuple):
    """What a step does: first, where `mix` is a number, x <- mix x + (1 - mix) noise; then a move of `length`."""

    mix: float | None
    length: float


class Step(NamedTuple):
    J: Tensor  # [B], before the step, with its graph
    x: Tensor  # [B, C, H, W], after the step
    g: Tensor  # [B, C, H, W], dJ/dx before it
    theta: Tensor  # whose picture x is
    alive: Tensor  # [B], whether J had a gradient
    i: int  # which step of the descent it is


def moves(way: float, numel: int, steps: int, cycles: Sequence[float]) -> list[Move]:
    """One descent from noise, of `steps`, and one for each a of `cycles`, by as much less as noise is mixed in less.

    `way` is how far the first leads, in units of the distance from noise to a photograph of `numel` entries.
    """
    distance = math.sqrt(1.3 * numel)  # of noise from photographs, root mean square: their variances add up
    return [
        Move(a if i == 0 else None, length)
        for a in (0.0, *cycles)
        for i, length in enumerate(_lengths(way * (1 - a) * distance, max(round(steps * (1 - a)), 1)))
    ]


def _lengths(way: float, n: int) -> list[float]:
    taper = [min(1.0, (1 - (i + 0.5) / n) / TAPER) for i in range(n)]
    return [way * t / sum(taper) for t in taper]


def generators(seeds: Sequence[int], step: int) -> list[Generator]:
    """What each picture draws from at this step."""
    digests = [hashlib.blake2b(f"{seed} {step}".encode(), digest_size=4).digest() for seed in seeds]
    return [Generator().manual_seed(int.from_bytes(digest, "big")) for digest in digests]


def noise(image: Image, x: Tensor, draws: Sequence[Generator]) -> Tensor:
    """White noise in θ, as pictures [*x] that vary by `image.noise`."""
    drawn = image.picture(randn(image.parameters(x).shape, draws).to(x))
    return drawn * (image.noise / drawn.square().flatten(1).mean(1).sqrt()).view(-1, 1, 1, 1)


def descend(
    J: Callable[[int, Tensor, Sequence[Generator]], Tensor],
    image: Image,
    x: Tensor,
    seeds: Sequence[int],
    plan: Sequence[Move],
    begin: int = 0,
    theta: Tensor | None = None,
) -> Iterator[Step]:
    """θ <- θ - η (dJ/dθ)^T, where x = image(θ), with the η that moves each picture by a step's length.

    Args:
        J: (step, x [B, C, H, W], B generators) → [B].
        x: where it begins. To go on where another descent was left: theta, and begin, the steps of `plan` behind it.
    """
    theta = image.parameters(x) if theta is None else theta
    for i, move in list(enumerate(plan))[begin:]:
        draws = generators(seeds, i)
        if move.mix is not None:
            x = image.picture(theta).clamp(-1, 1) if i else x
            theta = image.parameters(move.mix * x + (1 - move.mix) * noise(image, x, draws))
        theta = theta.detach().requires_grad_()
        x = image.picture(theta)
        cost = J(i, x, draws)
        g_x, g = torch.autograd.grad(F.sum_to_size(cost, ()), (x, theta))
        with torch.no_grad():
            norm = image.moved(theta, g).flatten(1).norm(dim=1)
            eta = torch.where(norm == 0, 0, move.length / norm)
            theta = theta - eta.view(-1, *(1 for _ in theta.shape[1:])) * g
            x = image.picture(theta)
        yield Step(cost, x, g_x, theta, norm != 0, i)
