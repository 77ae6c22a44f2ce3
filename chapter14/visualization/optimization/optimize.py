"""Pictures that maximize an objective: the descent of section 14.9, for one neuron or for every channel of a layer."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ... import functional as F
from ...models.load import load_network
from ...models.pretrained import Pretrained, input_channels
from ...models.state_dict import fingerprint
from ..activations.hooks import OUTPUT, PICTURE, frozen_parameters
from ..images.colour import Alpha, array_shape, in_range, linear_part
from ..images.image import Image
from ..objectives.objective import Objective, text
from ..objectives.objective_hash import identity
from ..transforms.colour import added_channels
from ..transforms.transform import Together, Transform
from .batch_size import largest_batch
from .checkpoint import Checkpoint
from .cost import CostFunction, Settings, cost_function
from .descent import DeadNeuron, DescentStep, StepPlan, descend, generators, plan_steps, white_noise
from .recipe import STEPS, Recipe, default_recipe

if TYPE_CHECKING:
    import PIL.Image


class Visualization(NamedTuple):
    x: Tensor  # [B, C, H, W], entries from -1 to 1; [B, *shape] of an Array
    history: Tensor  # [steps, B], J before each step
    alive: Tensor  # [B], whether J had a gradient at the first step; with through_relu, at the first step after those
    importance: Tensor  # [B, 1, H, W], |dJ/dx|, averaged over channels and steps; of an Array [B, 1, ...]
    noise: Tensor  # [B], the correlation of x with the noise that its last descent began with; 0 without noise
    alpha: bool  # whether the last channel of x is alpha

    def image(self, height: int | None = None) -> PIL.Image.Image:
        """The pictures side by side, each resized to `height`.

        Raises:
            ValueError: x is not pictures.
        """
        from ..output.render import as_shown, side_by_side, to_image

        return side_by_side([to_image(x, height) for x in as_shown(self.x, self.alpha)], columns=8)

    def save(self, path: str | Path, height: int | None = None) -> None:
        """Writes `image` in the format of the file's suffix, completely or not at all; errors as those of `image`."""
        from ..output.render import save_image

        save_image(self.image(height), path)

    def show(self) -> None:
        """Opens `image` in the system's viewer."""
        self.image().show()

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows; None where x is not pictures, which it then shows as text."""
        if self.x.ndim != 4:
            return None
        file = io.BytesIO()
        self.image().save(file, "PNG")
        return file.getvalue()


def visualize(
    model: str | Path | Pretrained | nn.Module,
    objective: str | Objective | Sequence[str | Objective],
    *,
    count: int = 1,
    seed: int = 0,
    steps: int | None = None,
    cycles: Sequence[float] | None = None,
    size: int | tuple[int, int] | None = None,
    image: Image | None = None,
    start: Tensor | None = None,
    given: Mapping[str, Any] | None = None,
    path_length: float | None = None,
    rate: float | None = None,
    transforms: Sequence[Transform] | None = None,
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
    objective needs. Every derivative is by hand, whatever the network's modules are. How a picture is drawn by default,
    its parameterization, transforms and steps, depends on the network: see `optimization.recipe`.

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
            `Grey(...)`, `Bounded(...)`, or with `Alpha(...)`; `Chroma(...)` of a photograph. Or `Array(shape)`, for
            data that is no picture: then x is [B, *shape], without transforms by default, and there is no `size`.
        start: a picture [C, H, W] or pictures [B, C, H, W], entries from -1 to 1, to start from instead of noise, in a
            single descent of `steps`.
        given: the network's other inputs, by the names of its arguments: tensors of one row, [1, ...], which all
            pictures share, and values of other types. x is the first argument that is not given.
        path_length: the sum of the lengths of the first descent's steps, in units of the distance from white noise to
            a photograph; with an image, by default the image's.
        rate: of Adam on the image's parameters, instead of steps of given lengths.
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
        ValueError: the network has no such layer, class, word or argument, or cannot take pictures of this size;
            `image` does not fit `start`, or has alpha and no background; the checkpoint belongs to another call.
    """
    network = as_pretrained(model, size, image, given)
    several = [objective] if isinstance(objective, str | Objective) else objective
    if not several:
        raise ValueError("visualize: there is no objective.")
    objectives = [text(o) if isinstance(o, str) else o for o in several]
    recipes = find_recipes(network, objectives, size, steps, cycles, image, start, path_length, rate, transforms)
    recipe = recipes[0]  # the others' images and transforms may differ, no more
    steps, cycles = recipe.steps, recipe.cycles
    if count < 1 or steps < 1 or (batch is not None and batch < 1):
        raise ValueError(f"visualize: count, steps and batch are at least 1; they are {count}, {steps} and {batch}.")
    if not all(0 <= a < 1 for a in cycles) or through_relu < 0:
        raise ValueError(
            "visualize: cycles are at least 0 and below 1, and through_relu at least 0; "
            f"they are {cycles} and {through_relu}."
        )
    objectives = [o for o in objectives for _ in range(count)]
    seeds = [seed + i for _ in several for i in range(count)]
    of = {id(r): (r.image, Settings(r.transforms, through_relu, precision, compile)) for r in recipes}
    images, settings = zip(*(of[id(r)] for r in recipes for _ in range(count)), strict=True)
    x, plan = _start(network, len(seeds), size, recipe, start)
    for drawn, how in of.values():
        _check_image(drawn, x, how.transforms)
    adam = recipe.rate is not None
    call = _call(network, objectives, seeds, images, plan, adam, settings, start) if checkpoint else {}
    done = Checkpoint(Path(checkpoint) if checkpoint else None, call, resume, x.device)
    with torch.inference_mode(False), torch.enable_grad(), frozen_parameters(network.model), done:
        while (first := len(done)) < len(seeds):
            theta, moments = done.state.current[:2] if done.state.current else (None, None)
            n = _batch(batch, network, objectives[first:], x[first:], settings[first:]) if theta is None else len(theta)
            these = slice(first, first + n)
            with cost_function(network, objectives[these], settings[first]) as J:
                for step in descend(J, images[first], x[these], seeds[these], plan, done.steps, theta, moments, adam):
                    if step.i <= through_relu and all(PICTURE in o.layers != {PICTURE} for o in objectives[these]):
                        step = step._replace(alive=step.alive & _has_network_gradient(J, step, seeds[these]))
                    _check(step, done.steps, objectives[these], whole=n == len(seeds))
                    done.add_step(step, through_relu)
                    if on_step:
                        on_step(step)
            done.finish_batch()
        done.flush()  # here, as an interrupt may come between the end of this block and `__exit__`
        thetas, _, Js, alive, importance = zip(*done.state.finished, strict=True)
        firsts = itertools.accumulate((len(theta) for theta in thetas[:-1]), initial=0)
        x = torch.cat([images[first].picture(theta.detach()) for first, theta in zip(firsts, thetas, strict=True)])
        noise = _noise(images, x, seeds, plan)
    history = torch.cat([torch.stack(J) for J in Js], 1)
    x, mean, alpha = in_range(recipe.image, x), torch.cat(importance) / len(history), isinstance(recipe.image, Alpha)
    return Visualization(x, history, torch.cat(alive), mean, noise, alpha)


def find_recipes(
    network: Pretrained,
    objectives: Sequence[Objective],
    size: int | tuple[int, int] | None = None,
    steps: int | None = None,
    cycles: Sequence[float] | None = None,
    image: Image | None = None,
    start: Tensor | None = None,
    path_length: float | None = None,
    rate: float | None = None,
    transforms: Sequence[Transform] | None = None,
) -> list[Recipe]:
    """The recipes that `visualize` follows with these arguments, defaults included, one for each objective."""
    if path_length is not None and rate is not None:
        raise ValueError("visualize: path_length is of steps of given lengths, and rate is Adam's; give one of them.")
    own = path_length is None and rate is None

    def find(inner: bool) -> Recipe:
        if image is not None and array_shape(image) is not None:
            recipe = Recipe(image, (), STEPS, (), path_length=image.path_length)
        else:
            sides = _sides(network.size if size is None else size)
            drawn = max(network.channels - added_channels(transforms or ()), 1)
            seen = dataclasses.replace(network, channels=drawn) if drawn != network.channels else network
            recipe = default_recipe(seen, inner, sides, image, start is not None)
        return Recipe(
            recipe.image,
            recipe.transforms if transforms is None else transforms,
            recipe.steps if steps is None else steps,
            () if start is not None else recipe.cycles if cycles is None else cycles,
            recipe.rate if own else rate,
            recipe.path_length if own else path_length,
        )

    inner = [not o.layers <= {OUTPUT, PICTURE} for o in objectives]
    found = {kind: find(kind) for kind in set(inner)}
    if len(found) == 2 and found[True] == found[False]:  # then they are drawn as one batch
        found[True] = found[False]
    return [found[kind] for kind in inner]


def number_of_steps(recipe: Recipe) -> int:
    """The number of steps for each batch."""
    return len(plan_steps(recipe.steps, recipe.cycles))


def _noise(images: Sequence[Image], x: Tensor, seeds: Sequence[int], plan: Sequence[StepPlan]) -> Tensor:
    """[B], the correlation of the pictures with the noise that their last descent began with; not of what is given."""
    last = max((i for i, step in enumerate(plan) if step.mix is not None), default=None)
    if last is None:
        return x.new_zeros(len(x))
    each = zip(images, x, seeds, strict=True)
    noise = torch.cat([white_noise(image, own[None], generators([s], last)) for image, own, s in each])
    linear = linear_part(images[0])
    x = linear.picture(linear.parameters(x))
    a, b = (t - t.mean(1, keepdim=True) for t in (x.flatten(1), noise.flatten(1)))
    return torch.nn.functional.cosine_similarity(a, b)


def as_pretrained(
    model: str | Path | Pretrained | nn.Module,
    size: int | tuple[int, int] | None,
    image: Image | None = None,
    given: Mapping[str, Any] | None = None,
) -> Pretrained:
    """The network that `visualize` draws for."""
    is_array = image is not None and array_shape(image) is not None
    if is_array and size is not None:
        raise ValueError(f"visualize: size is of pictures, and {image} has a shape; it was given {size!r}.")
    if isinstance(model, nn.Module):
        if size is None and not is_array:
            name = type(model).__name__
            raise ValueError(f"visualize: {name} needs a size, of the pictures that it takes, in pixels.")
        side = size if isinstance(size, int) else max(size or (0,))
        network = Pretrained(model, side, channels=input_channels(model))
    else:
        network = model if isinstance(model, Pretrained) else load_network(model)
    return dataclasses.replace(network, given={**network.given, **given}) if given else network


def _start(
    network: Pretrained,
    count: int,
    size: int | tuple[int, int] | None,
    recipe: Recipe,
    start: Tensor | None,
) -> tuple[Tensor, list[StepPlan]]:
    """x [B, C, H, W] before the first step, or [B, *shape]; and the steps."""
    shape = array_shape(recipe.image)
    if start is not None:
        axes = "C, H, W" if shape is None else ", ".join(map(str, shape))
        n = 3 if shape is None else len(shape)
        if start.ndim not in (n, n + 1) or shape not in (None, start.shape[-n:]):
            raise ValueError(f"visualize: start is [{axes}], or [B, {axes}]; it is {list(start.shape)}.")
        if start.ndim > n and len(start) not in (1, count):
            raise ValueError(f"visualize: start is one picture, or one for each of {count}; it has {len(start)}.")
        x = start.to(network.like).expand(count, *start.shape[-n:])
    else:
        shape = shape or (recipe.image.channels, *_sides(network.size if size is None else size))
        x = torch.zeros(count, *shape).to(network.like)
    plan = plan_steps(recipe.steps, recipe.cycles, x[0].numel(), recipe.path_length, recipe.rate)
    return x, plan if start is None else [step._replace(mix=None) for step in plan]


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(n, int) and n > 0 for n in sides):
        raise ValueError(f"visualize: size is a number of pixels, or (height, width); it is {size!r}.")
    return sides


def _check_image(image: Image, x: Tensor, transforms: Sequence[Transform]) -> None:
    alpha, channels = isinstance(image, Alpha), x.shape[1]
    if channels != image.channels and not (alpha and channels == image.channels - 1):
        raise ValueError(f"visualize: {image} has {image.channels} channels, and start has {channels}.")
    if alpha:
        seen = Together(transforms)(image.picture(image.parameters(x[:1])), generators([0], 0))
        if seen.shape[1] == image.channels + added_channels(transforms):
            raise ValueError("visualize: a picture with alpha needs a background: transforms=(Composite(), ...).")


def _batch(
    batch: int | None, network: Pretrained, objectives: Sequence[Objective], x: Tensor, settings: Sequence[Settings]
) -> int:
    """The size of the next batch: of pictures with the same settings."""
    if batch is None and len(x) > 1:
        with cost_function(network, objectives[:1], settings[0]) as J:
            batch = largest_batch(lambda x: J(0, x, generators([0], 0)), x[:1])
    n = sum(1 for _ in itertools.takewhile(lambda one: one is settings[0], settings[: batch or 1]))
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
    images: Sequence[Image],
    plan: Sequence[StepPlan],
    adam: bool,
    settings: Sequence[Settings],
    start: Tensor | None,
) -> dict[str, Any]:
    """The arguments that determine the pictures, for the checkpoint."""
    identities = {id(o): identity(o) for o in objectives}  # once for each objective, which may have many pictures
    return {
        "weights": fingerprint(network.model.state_dict()),
        "given": {name: identity(value) for name, value in network.given.items()},
        "objectives": [f"{o.name} ({identities[id(o)]})" for o in objectives],
        "seeds": list(seeds),
        "image": [repr(image) for image in images],
        "settings": [re.sub(" at 0x[0-9a-f]+", "", repr(one)) for one in settings],
        "steps": [list(step) for step in plan],
        "rule": "adam" if adam else "length",
        "start": None if start is None else fingerprint({"start": start}),
    }
