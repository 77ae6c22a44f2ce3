"""Pictures that raise an objective: the descent of section 14.9, for one neuron or for every channel of a layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ... import functional as F
from ...models.load import Pretrained, load_network
from ...models.state_dict import fingerprint
from ..activations.hooks import PICTURE, frozen_parameters
from ..images.colour import Alpha
from ..images.image import Image, Pixels
from ..objectives.identity import identity
from ..objectives.objective import Objective, text
from ..transforms.presets import TRANSFORMS
from ..transforms.transform import Together, Transform
from .batch_size import largest_batch
from .checkpoint import Checkpoint
from .cost import CostFunction, Settings, cost_function
from .descent import DeadNeuron, DescentStep, StepPlan, descend, generators, plan_steps

PIXELS = Pixels()
CYCLES = (0.4, 0.6, 0.8)


class Visualization(NamedTuple):
    x: Tensor  # [B, C, H, W], entries from -1 to 1
    history: Tensor  # [steps, B], J before each step
    alive: Tensor  # [B], False where J had no gradient at the first step; with through_relu, at the first without it
    importance: Tensor  # [B, 1, H, W], how much J asked each pixel to change: |dJ/dx|, a mean over channels and steps


def visualize(
    model: str | Path | Pretrained | nn.Module,
    objective: str | Objective | Sequence[str | Objective],
    *,
    count: int = 1,
    seed: int = 0,
    steps: int = 60,
    cycles: Sequence[float] = CYCLES,
    size: int | tuple[int, int] | None = None,
    image: Image = PIXELS,
    start: Tensor | None = None,
    way: float | None = None,
    transforms: Sequence[Transform] = TRANSFORMS,
    through_relu: int = 0,
    batch: int | None = None,
    precision: torch.dtype | None = None,
    compile: bool = False,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    on_step: Callable[[DescentStep], None] | None = None,
) -> Visualization:
    """Pictures that raise `objective`: from noise, by gradient descent of J = -objective on the data (14.9).

    The network is left as it is, its parameters get no gradient, and its forward pass ends at the last layer that the
    objective asks for. Every derivative is by hand, whoever wrote the network.

    Args:
        model: what `chapter14.models.load.load` knows by name, a file, or any module that takes x [B, 3, H, W], entries
            from -1 to 1.
        objective: an `Objective`, or a sentence for a network that reads; or several, and each gets its pictures.
        count: how many pictures of each objective; B is the number of all.
        seed: of the first picture of each objective; the next ones have seed + 1, seed + 2, ... All that is random in
            a picture is drawn from its own seed: it repeats the picture, whatever else is drawn beside it.
        steps: of the first descent. cycles: after it, for each a in turn, the pictures are mixed with fresh noise,
            a x + (1 - a) noise, and descend again, by as much less as they are mixed less.
        size: of the pictures, in pixels, or (height, width); by default what the network takes.
        image: what is descended in: `Pixels()`, `Pyramid()`, `Fourier()`, `MACO()`; in `Decorrelated(...)` colours, in
            `Grey(...)`, or with `Alpha(...)`.
        start: a picture [C, H, W] or pictures [B, C, H, W], entries from -1 to 1, to begin from instead of noise; then
            there is one descent, of `steps`.
        way: how far the first descent leads, in units of the distance from white noise to a photograph; by default as
            the image has it.
        transforms: what is done to the pictures before the network sees them, drawn anew at each step.
        through_relu: for so many steps the gradient comes through relus that are shut, which wakes dead neurons.
        batch: how many pictures at a time; by default as many as memory allows. Another one draws the same pictures, up
            to the rounding of the network's own arithmetic.
        precision: of the network, e.g. torch.bfloat16; the pictures stay as they are.
        compile: whether torch.compile compiles the network.
        checkpoint: a file; what is drawn is put there once a minute, when it is interrupted, and in the end.
        resume: go on from `checkpoint`, to the very same pictures.
        on_step: called after each step, with what is drawn at the time.

    Raises:
        DeadNeuron: dJ/dx is 0 at the start, for every picture.
        FloatingPointError: J or dJ/dx is NaN or infinite.
        FileNotFoundError: there is no such file, of weights or to resume.
        ValueError: the network has no such layer, class or word, or cannot take pictures of this size; `image` is of
            other pictures than `start`, or has alpha and no background; the checkpoint is of another call.
    """
    network = _network(model, size)
    each = _each(objective)
    if count < 1 or steps < 1 or (batch is not None and batch < 1):
        raise ValueError(f"visualize: count, steps and batch are 1 or more; they are {count}, {steps} and {batch}.")
    objectives, seeds = [o for o in each for _ in range(count)], [seed + i for _ in each for i in range(count)]
    if not all(0 <= a < 1 for a in cycles) or through_relu < 0:
        raise ValueError(
            f"visualize: cycles are from 0 up to 1, through_relu is 0 or more; they are {cycles} and {through_relu}."
        )
    settings = Settings(transforms, through_relu, precision, compile)
    x, plan = _beginning(network, len(seeds), size, image, start, steps, cycles, way)
    _check_image(image, x, transforms)
    said = _said(network, objectives, seeds, image, plan, settings, start) if checkpoint else {}
    done = Checkpoint(Path(checkpoint) if checkpoint else None, said, resume, x.device)
    with torch.inference_mode(False), torch.enable_grad(), frozen_parameters(network.model), done:
        while (first := len(done)) < len(seeds):
            theta = done.current.theta if done.current else None
            n = _batch(batch, network, objectives[first:], x[first:], settings) if theta is None else len(theta)
            these = slice(first, first + n)
            with cost_function(network, objectives[these], settings) as J:
                for step in descend(J, image, x[these], seeds[these], plan, done.steps, theta):
                    if step.i <= through_relu and all(PICTURE in o.layers != {PICTURE} for o in objectives[these]):
                        step = step._replace(alive=step.alive & _moved_by_the_network(J, step, seeds[these]))
                    _check(step, done.steps, objectives[these], whole=n == len(seeds))
                    done.took(step, through_relu)
                    if on_step:
                        on_step(step)
            assert done.current is not None
            done.finished(image.picture(done.current.theta.detach()))
        done.keep()  # here, since an interrupt may come between this block and the end of `with`
    xs, histories, alive, importance = zip(*done.at[0], strict=True)
    history = torch.cat(histories, 1)
    return Visualization(torch.cat(xs).clamp(-1, 1), history, torch.cat(alive), torch.cat(importance) / len(history))


def number_of_steps(steps: int, cycles: Sequence[float] = CYCLES) -> int:
    """How many `visualize` takes from noise, for each batch."""
    return len(plan_steps(1, 1, steps, cycles))


def _network(model: str | Path | Pretrained | nn.Module, size: int | tuple[int, int] | None) -> Pretrained:
    if isinstance(model, Pretrained):
        return model
    if not isinstance(model, nn.Module):
        return load_network(model)
    if size is None:
        raise ValueError(f"visualize: {type(model).__name__} needs a size, of the pictures that it takes, in pixels.")
    return Pretrained(model, size if isinstance(size, int) else max(size))


def _each(objective: str | Objective | Sequence[str | Objective]) -> list[Objective]:
    several = [objective] if isinstance(objective, str | Objective) else objective
    if not several:
        raise ValueError("visualize: there is no objective.")
    return [text(o) if isinstance(o, str) else o for o in several]


def _beginning(
    network: Pretrained,
    count: int,
    size: int | tuple[int, int] | None,
    image: Image,
    start: Tensor | None,
    steps: int,
    cycles: Sequence[float],
    way: float | None,
) -> tuple[Tensor, list[StepPlan]]:
    """x [B, C, H, W] before the first step, and the steps."""
    parameter, way = next(network.model.parameters(), torch.zeros(())), image.way if way is None else way
    if start is not None and start.ndim not in (3, 4):
        raise ValueError(f"visualize: start is [C, H, W], or [B, C, H, W]; it is {list(start.shape)}.")
    if start is not None and start.ndim == 4 and len(start) not in (1, count):
        raise ValueError(f"visualize: start is one picture, or one for each of {count}; it has {len(start)}.")
    if start is not None:
        x = start.to(parameter).expand(count, *start.shape[-3:])
        return x, [move._replace(mix=None) for move in plan_steps(way, x[0].numel(), steps, ())]
    H, W = _sides(network.size if size is None else size)
    x = torch.zeros(count, image.channels, H, W).to(parameter)
    return x, plan_steps(way, x[0].numel(), steps, cycles)


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(n, int) and n > 0 for n in sides):
        raise ValueError(f"visualize: size is a number of pixels, or (height, width); it is {size!r}.")
    return sides


def _check_image(image: Image, x: Tensor, transforms: Sequence[Transform]) -> None:
    alpha, given = isinstance(image, Alpha), x.shape[1]
    if given != image.channels and not (alpha and given == image.channels - 1):
        raise ValueError(f"visualize: {image} is of {image.channels} channels; start has {given}.")
    if alpha:
        seen = Together(transforms)(image.picture(image.parameters(x[:1])), generators([0], 0))
        if seen.shape[1] == image.channels:
            raise ValueError(
                "visualize: a picture with alpha is laid over a background before the network sees it: "
                "transforms=(Composite(), ...)."
            )


def _batch(
    batch: int | None, network: Pretrained, objectives: Sequence[Objective], x: Tensor, settings: Settings
) -> int:
    """How many of these pictures come next."""
    if batch is None and len(x) > 1:
        with cost_function(network, objectives[:1], settings) as J:
            batch = largest_batch(lambda x: J(0, x, generators([0], 0)), x[:1])
    n = min(batch or 1, len(x))
    while n < len(x) and objectives[n].together and objectives[n] is objectives[n - 1]:
        n += 1
    return n


def _moved_by_the_network(J: CostFunction, step: DescentStep, seeds: Sequence[int]) -> Tensor:
    """[B], whether J has a gradient that no prior gives it."""
    x = step.x.detach().requires_grad_()
    cost = J(step.i, x, generators(seeds, step.i), priors=False)
    (g,) = torch.autograd.grad(F.sum_to_size(cost, ()), x)
    return g.flatten(1).any(1)


def _check(step: DescentStep, i: int, objectives: Sequence[Objective], whole: bool) -> None:
    sums = step.J.detach() + step.x.flatten(1).sum(1)  # a number that is not finite is in its sum: the cheap look first
    if not sums.isfinite().all() and (wrong := ~(step.J.isfinite() & step.x.isfinite().flatten(1).all(1))).any():
        names = ", ".join(dict.fromkeys(o.name for o, its in zip(objectives, wrong.tolist(), strict=True) if its))
        raise FloatingPointError(f"{names}: at step {i}, J is {step.J[wrong].tolist()}, or its gradient is infinite.")
    if i == 0 and whole and not step.alive.any():
        names = ", ".join(dict.fromkeys(o.name for o in objectives))
        raise DeadNeuron(
            f"{names} is dead: dJ/dx is zero everywhere at the start. Another seed may find it alive, or through_relu, "
            "which lets the gradient through relus that are shut."
        )


def _said(
    network: Pretrained,
    objectives: Sequence[Objective],
    seeds: Sequence[int],
    image: Image,
    plan: Sequence[StepPlan],
    settings: Settings,
    start: Tensor | None,
) -> dict[str, Any]:
    """What a checkpoint is of."""
    identities = {id(o): identity(o) for o in objectives}  # several pictures may be of one
    return {
        "weights": fingerprint(network.model.state_dict()),
        "objectives": [f"{o.name} ({identities[id(o)]})" for o in objectives],
        "seeds": list(seeds),
        "image": repr(image),
        "settings": re.sub(" at 0x[0-9a-f]+", "", repr(settings)),
        "steps": [list(move) for move in plan],
        "start": None if start is None else fingerprint({"start": start}),
    }
