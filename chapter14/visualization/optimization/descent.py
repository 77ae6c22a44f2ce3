"""The loop of section 14.9: gradient descent, on the data.

    J(x, θ) = -x_l[i],     x <- x - η (dJ/dx)^T

Here the parameters are fixed, and x moves. Each step has a given length, so η is that length over the norm of the
gradient. With another parameterization of x (images/), the descent is in its θ, and dJ/dθ = dJ/dx L^θ.

All randomness of a step comes from generators of that step, one for each picture. So a picture does not depend on the
others in the batch, and a descent can be resumed after any step whose θ is known.
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

TAPER = 0.25  # the share of steps, at the end of a descent, that decrease in length


class DeadNeuron(ValueError):
    """The gradient of the objective is zero everywhere."""


class StepPlan(NamedTuple):
    """A planned step: first, if `mix` is a number, x <- mix x + (1 - mix) noise; then a step of `length`."""

    mix: float | None
    length: float


class DescentStep(NamedTuple):
    J: Tensor  # [B], before the step, with its graph
    x: Tensor  # [B, C, H, W], after the step
    g: Tensor  # [B, C, H, W], dJ/dx before it
    theta: Tensor  # the parameters of x
    alive: Tensor  # [B], whether J had a gradient
    i: int  # the number of the step


def plan_steps(way: float, numel: int, steps: int, cycles: Sequence[float]) -> list[StepPlan]:
    """A descent from noise of `steps`, then one for each a of `cycles`, shorter by the factor 1 - a.

    `way` is the length of the first, in units of the distance from noise to a photograph of `numel` entries.
    """
    distance = math.sqrt(1.3 * numel)  # of white noise from photographs, root mean square: the variances add
    return [
        StepPlan(a if i == 0 else None, length)
        for a in (0.0, *cycles)
        for i, length in enumerate(_lengths(way * (1 - a) * distance, max(round(steps * (1 - a)), 1)))
    ]


def _lengths(way: float, n: int) -> list[float]:
    taper = [min(1.0, (1 - (i + 0.5) / n) / TAPER) for i in range(n)]
    return [way * t / sum(taper) for t in taper]


def generators(seeds: Sequence[int], step: int) -> list[Generator]:
    """The random generator of each picture at this step."""
    digests = [hashlib.blake2b(f"{seed} {step}".encode(), digest_size=4).digest() for seed in seeds]
    return [Generator().manual_seed(int.from_bytes(digest, "big")) for digest in digests]


def white_noise(image: Image, x: Tensor, draws: Sequence[Generator]) -> Tensor:
    """White noise in θ, as pictures of x's shape, with the standard deviation `image.noise`."""
    noise = image.picture(randn(image.parameters(x).shape, draws).to(x))
    return noise * (image.noise / noise.square().flatten(1).mean(1).sqrt()).view(-1, 1, 1, 1)


def descend(
    J: Callable[[int, Tensor, Sequence[Generator]], Tensor],
    image: Image,
    x: Tensor,
    seeds: Sequence[int],
    plan: Sequence[StepPlan],
    begin: int = 0,
    theta: Tensor | None = None,
) -> Iterator[DescentStep]:
    """θ <- θ - η (dJ/dθ)^T, where x = image(θ), with η such that each picture moves by the length of the step.

    Args:
        J: (step, x [B, C, H, W], B generators) → [B].
        x: the start. To resume another descent: its theta, and begin, the number of steps that it has done.
    """
    theta = image.parameters(x) if theta is None else theta
    for i, move in list(enumerate(plan))[begin:]:
        draws = generators(seeds, i)
        if move.mix is not None:
            x = image.picture(theta).clamp(-1, 1) if i else x
            theta = image.parameters(move.mix * x + (1 - move.mix) * white_noise(image, x, draws))
        theta = theta.detach().requires_grad_()
        x = image.picture(theta)
        cost = J(i, x, draws)
        g_x, g = torch.autograd.grad(F.sum_to_size(cost, ()), (x, theta))
        with torch.no_grad():
            norm = image.jvp(theta, g).flatten(1).norm(dim=1)
            eta = torch.where(norm == 0, 0, move.length / norm)
            theta = theta - eta.view(-1, *(1 for _ in theta.shape[1:])) * g
            x = image.picture(theta)
        yield DescentStep(cost, x, g_x, theta, norm != 0, i)
