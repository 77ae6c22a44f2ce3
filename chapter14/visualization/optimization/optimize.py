"""Pictures that maximize an objective: the descent of section 14.9, for one neuron or for every channel of a layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ... import functional as F
from ...models.load import load_network
from ...models.pretrained import Pretrained
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
    alive: Tensor  # [B], whether J had a gradient at the first step; with through_relu, at the first step after those
    importance: Tensor  # [B, 1, H, W], |dJ/dx|, averaged over channels and steps


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
    """Pictures that maximize `objective`: from noise, by gradient descent of J = -objective on the data (14.9).

    The network is not changed, its parameters get no gradient, and its forward pass ends at the last layer that the
    objective needs. Every derivative is by hand, whatever the network's modules are.

    Args:
        model: a name or a file for `chapter14.models.load.load_network`, or any module that takes x [B, 3, H, W],
            entries from -1 to 1.
        objective: an `Objective`, or a sentence for a network that reads; or several, each with its own pictures.
        count: the number of pictures of each objective; B is the number of all.
        seed: of the first picture of each objective; the next ones have seed + 1, seed + 2, ... A picture depends on
            its seed only, whatever else is in the batch.
        steps: of the first descent. cycles: afterwards, for each a in turn, the pictures are mixed with new noise,
            a x + (1 - a) noise, and a descent follows that is shorter by the factor 1 - a.
        size: of the pictures, in pixels, or (height, width); by default the network's.
        image: the parameterization: `Pixels()`, `Pyramid()`, `Fourier()`, `MACO()`; in `Decorrelated(...)` colours, in
            `Grey(...)`, or with `Alpha(...)`.
        start: a picture [C, H, W] or pictures [B, C, H, W], entries from -1 to 1, to start from instead of noise, in a
            single descent of `steps`.
        way: the length of the first descent, in units of the distance from white noise to a photograph; by default
            that of the image.
        transforms: random transforms of the pictures before the network sees them, drawn again at each step.
        through_relu: for so many steps the gradient passes through inactive relus, which wakes dead neurons.
        batch: the number of pictures at a time; by default as many as fit into memory. The pictures do not depend on
            it, up to rounding.
        precision: of the network, e.g. torch.bfloat16; the pictures keep theirs.
        compile: compile the network with torch.compile.
        checkpoint: a file in which the state is saved once a minute, after an interrupt, and at the end.
        resume: continue from `checkpoint`, to the same pictures.
        on_step: called after each step.

    Raises:
        DeadNeuron: dJ/dx is 0 at the start, for every picture.
        FloatingPointError: J or dJ/dx is NaN or infinite.
        FileNotFoundError: there is no such file of weights, or nothing to resume.
        ValueError: the network has no such layer, class or word, or cannot take pictures of this size; `image` does not
            fit `start`, or has alpha and no background; the checkpoint belongs to another call.
    """
    network = _network(model, size)
    given = [objective] if isinstance(objective, str | Objective) else objective
    if not given:
        raise ValueError("visualize: there is no objective.")
    if count < 1 or steps < 1 or (batch is not None and batch < 1):
        raise ValueError(f"visualize: count, steps and batch are at least 1; they are {count}, {steps} and {batch}.")
    if not all(0 <= a < 1 for a in cycles) or through_relu < 0:
        raise ValueError(
            "visualize: cycles are at least 0 and below 1, and through_relu at least 0; "
            f"they are {cycles} and {through_relu}."
        )
    objectives = [text(o) if isinstance(o, str) else o for o in given for _ in range(count)]
    seeds = [seed + i for _ in given for i in range(count)]
    settings = Settings(transforms, through_relu, precision, compile)
    x, plan = _start(network, len(seeds), size, image, start, steps, cycles, way)
    _check_image(image, x, transforms)
    call = _call(network, objectives, seeds, image, plan, settings, start) if checkpoint else {}
    done = Checkpoint(Path(checkpoint) if checkpoint else None, call, resume, x.device)
    with torch.inference_mode(False), torch.enable_grad(), frozen_parameters(network.model), done:
        while (first := len(done)) < len(seeds):
            theta = done.state.current.theta if done.state.current else None
            n = _batch(batch, network, objectives[first:], x[first:], settings) if theta is None else len(theta)
            these = slice(first, first + n)
            with cost_function(network, objectives[these], settings) as J:
                for step in descend(J, image, x[these], seeds[these], plan, done.steps, theta):
                    if step.i <= through_relu and all(PICTURE in o.layers != {PICTURE} for o in objectives[these]):
                        step = step._replace(alive=step.alive & _has_network_gradient(J, step, seeds[these]))
                    _check(step, done.steps, objectives[these], whole=n == len(seeds))
                    done.add_step(step, through_relu)
                    if on_step:
                        on_step(step)
            done.finish_batch()
        done.flush()  # here, as an interrupt may come between the end of this block and `__exit__`
        thetas, Js, alive, importance = zip(*done.state.finished, strict=True)
        x = torch.cat([image.picture(theta.detach()) for theta in thetas])
    history = torch.cat([torch.stack(J) for J in Js], 1)
    return Visualization(x.clamp(-1, 1), history, torch.cat(alive), torch.cat(importance) / len(history))


def number_of_steps(steps: int, cycles: Sequence[float] = CYCLES) -> int:
    """The number of steps that `visualize` takes from noise, for each batch."""
    return len(plan_steps(1, 1, steps, cycles))


def _network(model: str | Path | Pretrained | nn.Module, size: int | tuple[int, int] | None) -> Pretrained:
    if isinstance(model, Pretrained):
        return model
    if not isinstance(model, nn.Module):
        return load_network(model)
    if size is None:
        raise ValueError(f"visualize: {type(model).__name__} needs a size, of the pictures that it takes, in pixels.")
    return Pretrained(model, size if isinstance(size, int) else max(size))


def _start(
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
    way = image.way if way is None else way
    if start is not None:
        if start.ndim not in (3, 4):
            raise ValueError(f"visualize: start is [C, H, W], or [B, C, H, W]; it is {list(start.shape)}.")
        if start.ndim == 4 and len(start) not in (1, count):
            raise ValueError(f"visualize: start is one picture, or one for each of {count}; it has {len(start)}.")
        x = start.to(network.like).expand(count, *start.shape[-3:])
        return x, [step._replace(mix=None) for step in plan_steps(way, x[0].numel(), steps, ())]
    size = network.size if size is None else size
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(n, int) and n > 0 for n in sides):
        raise ValueError(f"visualize: size is a number of pixels, or (height, width); it is {size!r}.")
    x = torch.zeros(count, image.channels, *sides).to(network.like)
    return x, plan_steps(way, x[0].numel(), steps, cycles)


def _check_image(image: Image, x: Tensor, transforms: Sequence[Transform]) -> None:
    alpha, channels = isinstance(image, Alpha), x.shape[1]
    if channels != image.channels and not (alpha and channels == image.channels - 1):
        raise ValueError(f"visualize: {image} has {image.channels} channels, and start has {channels}.")
    if alpha:
        seen = Together(transforms)(image.picture(image.parameters(x[:1])), generators([0], 0))
        if seen.shape[1] == image.channels:
            raise ValueError("visualize: a picture with alpha needs a background: transforms=(Composite(), ...).")


def _batch(
    batch: int | None, network: Pretrained, objectives: Sequence[Objective], x: Tensor, settings: Settings
) -> int:
    """The size of the next batch."""
    if batch is None and len(x) > 1:
        with cost_function(network, objectives[:1], settings) as J:
            batch = largest_batch(lambda x: J(0, x, generators([0], 0)), x[:1])
    n = min(batch or 1, len(x))
    while n < len(x) and objectives[n].together and objectives[n] is objectives[n - 1]:
        n += 1
    return n


def _has_network_gradient(J: CostFunction, step: DescentStep, seeds: Sequence[int]) -> Tensor:
    """[B], whether J has a gradient that does not come from a prior."""
    x = step.x.detach().requires_grad_()
    cost = J(step.i, x, generators(seeds, step.i), priors=False)
    (g,) = torch.autograd.grad(F.sum_to_size(cost, ()), x)
    return g.flatten(1).any(1)


def _check(step: DescentStep, i: int, objectives: Sequence[Objective], whole: bool) -> None:
    sums = step.J.detach() + step.x.flatten(1).sum(1)  # not finite if any entry is not: the cheap test first
    if not sums.isfinite().all() and (wrong := ~(step.J.isfinite() & step.x.isfinite().flatten(1).all(1))).any():
        names = ", ".join(dict.fromkeys(objectives[b].name for b in wrong.nonzero()[:, 0].tolist()))
        raise FloatingPointError(f"{names}: at step {i}, J is {step.J[wrong].tolist()}, or its gradient is infinite.")
    if i == 0 and whole and not step.alive.any():
        names = ", ".join(dict.fromkeys(o.name for o in objectives))
        raise DeadNeuron(
            f"{names} is dead: dJ/dx is zero everywhere at the start. Try another seed, or through_relu, "
            "which passes the gradient through inactive relus."
        )


def _call(
    network: Pretrained,
    objectives: Sequence[Objective],
    seeds: Sequence[int],
    image: Image,
    plan: Sequence[StepPlan],
    settings: Settings,
    start: Tensor | None,
) -> dict[str, Any]:
    """The arguments that determine the pictures, for the checkpoint."""
    identities = {id(o): identity(o) for o in objectives}  # once for each objective, which may have many pictures
    return {
        "weights": fingerprint(network.model.state_dict()),
        "objectives": [f"{o.name} ({identities[id(o)]})" for o in objectives],
        "seeds": list(seeds),
        "image": repr(image),
        "settings": re.sub(" at 0x[0-9a-f]+", "", repr(settings)),
        "steps": [list(step) for step in plan],
        "start": None if start is None else fingerprint({"start": start}),
    }
