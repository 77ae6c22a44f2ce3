"""The loop of section 14.9: gradient descent, on the data.

    J(x, θ) = -x_l[i],     x <- x - η (dJ/dx)^T

Here the parameters are fixed, and x moves. Each step has a given length, so η is that length over the norm of the
gradient; or it is Adam's, which moves every coefficient of θ at about the same rate. With another parameterization of x
(images/), the descent is in its θ, and dJ/dθ = dJ/dx L^θ.

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
from ..images.colour import Alpha, in_range, linear_part
from ..images.image import Image
from ..transforms.transform import randn

TAPER = 0.25  # the share of steps, at the end of a descent, that decrease in length
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam


class DeadNeuron(ValueError):
    """The gradient of the objective is zero everywhere."""


class StepPlan(NamedTuple):
    """A planned step: first, if `mix` is a number, x <- mix x + (1 - mix) noise; then a step of `length`.

    For Adam, `length` is its rate.
    """

    mix: float | None
    length: float


class DescentStep(NamedTuple):
    J: Tensor  # [B], before the step, with its graph
    x: Tensor  # [B, C, H, W], after the step
    g: Tensor  # [B, C, H, W], dJ/dx before it
    theta: Tensor  # the parameters of x
    moments: Tensor  # of Adam, [2, B, ...]; otherwise [0, B, ...]
    alive: Tensor  # [B], whether J had a gradient
    i: int  # the number of the step
    alpha: bool  # whether the last channel of x is alpha


def plan_steps(
    steps: int, cycles: Sequence[float], numel: int = 1, path_length: float | None = None, rate: float | None = None
) -> list[StepPlan]:
    """A descent from noise of `steps`, then one for each a of `cycles`, shorter by the factor 1 - a.

    `path_length` is the length of the first, in units of the distance from noise to a photograph of `numel` entries;
    or `rate` is Adam's.
    """
    distance = math.sqrt(1.3 * numel)  # of white noise from photographs, root mean square: the variances add
    plan = []
    for a in (0.0, *cycles):
        n = max(round(steps * (1 - a)), 1)
        taper = [min(1.0, (1 - (i + 0.5) / n) / TAPER) for i in range(n)]
        whole = rate if path_length is None else path_length * (1 - a) * distance / sum(taper)
        plan += [StepPlan(a if i == 0 else None, (whole or 0) * t) for i, t in enumerate(taper)]
    return plan


def generators(seeds: Sequence[int], step: int) -> list[Generator]:
    """The random generator of each picture at this step."""
    digests = [hashlib.blake2b(f"{seed} {step}".encode(), digest_size=4).digest() for seed in seeds]
    return [Generator().manual_seed(int.from_bytes(digest, "big")) for digest in digests]


def white_noise(image: Image, x: Tensor, draws: Sequence[Generator]) -> Tensor:
    """White noise in θ, as pictures of x's shape, with the standard deviation `image.noise`."""
    linear = linear_part(image)  # the noise is scaled down to small entries, where tanh is linear
    noise = linear.picture(randn(linear.parameters(x).shape, draws).to(x))
    return noise * (image.noise / noise.square().flatten(1).mean(1).sqrt()).view(-1, *(1 for _ in noise.shape[1:]))


def descend(
    J: Callable[[int, Tensor, Sequence[Generator]], Tensor],
    image: Image,
    x: Tensor,
    seeds: Sequence[int],
    plan: Sequence[StepPlan],
    begin: int = 0,
    theta: Tensor | None = None,
    moments: Tensor | None = None,
    adam: bool = False,
) -> Iterator[DescentStep]:
    """θ <- θ - η (dJ/dθ)^T, where x = image(θ), with η such that each picture moves by the length of the step.

    With `adam`, as `graph.rule.Adam`, picture by picture:

        θ <- θ - η m^ / (√v^ + ε),    m <- β1 m + (1 - β1) dJ/dθ,    v <- β2 v + (1 - β2) (dJ/dθ)²

    Args:
        J: (step, x [B, C, H, W], B generators) → [B].
        x: the start. To resume another descent: its theta and moments, and begin, the number of steps that it has done.
    """
    theta = image.parameters(x) if theta is None else theta
    moments = theta.new_zeros(2 * adam, *theta.shape) if moments is None else moments
    t = next((t for t, move in enumerate(reversed(plan[:begin]), 1) if move.mix is not None), begin)
    for i, move in list(enumerate(plan))[begin:]:
        draws = generators(seeds, i)
        if move.mix is not None:
            x = in_range(image, image.picture(theta)) if i else x
            theta = image.parameters(move.mix * x + (1 - move.mix) * white_noise(image, x, draws))
            moments, t = torch.zeros_like(moments), 0
        t += 1
        theta = theta.detach().requires_grad_()
        x = image.picture(theta)
        cost = J(i, x, draws)
        g_x, g = torch.autograd.grad(F.sum_to_size(cost, ()), (x, theta))
        with torch.no_grad():
            if adam:
                alive = g.flatten(1).any(1)
                m, v = (beta * past + (1 - beta) * d for beta, past, d in zip(BETAS, moments, (g, g * g), strict=True))
                moments = torch.stack([m, v])
                m_hat, v_hat = (now / (1 - beta**t) for beta, now in zip(BETAS, moments, strict=True))
                theta = theta - move.length * m_hat / (v_hat.sqrt() + EPSILON)
            else:
                norm = image.jvp(theta, g).flatten(1).norm(dim=1)
                alive = norm != 0
                eta = torch.where(alive, move.length / norm, 0)
                theta = theta - eta.view(-1, *(1 for _ in theta.shape[1:])) * g
            x = image.picture(theta)
        yield DescentStep(cost, x, g_x, theta, moments, alive, i, isinstance(image, Alpha))
