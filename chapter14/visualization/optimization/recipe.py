"""How a picture is drawn unless the caller says otherwise: parameterization, transforms, steps.

    EMBEDDED        for the embedded network, whose gradient is smooth: a pyramid in decorrelated colours, random crops,
                    steps of given lengths, and descents from mixtures of the picture with noise
    output_recipe   for the output of any other network, as a class: Fourier coefficients in decorrelated colours,
                    bounded, by Adam, seen in crops of several sizes, at 5/7 of the picture's size if the network takes
                    it
    inner_recipe    for another network's layer inside, whose places must stay: the same, with lucid's transforms, from
                    noise
    start_recipe    for another network, from a given picture: pixels, steps of given lengths

docs/recipe.md has the measurements behind `output_recipe`. Lucid (Olah, Mordvintsev, Schubert, 2017) has the same
parameterization and rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ...models.clip import CLIP
from ...models.pretrained import Pretrained
from ..activations.hooks import OUTPUT, activations
from ..images.colour import Bounded, Decorrelated
from ..images.fourier import Fourier
from ..images.image import Image, Pixels, Pyramid
from ..transforms.move import Flip
from ..transforms.presets import ROBUST, TRANSFORMS
from ..transforms.transform import Transform
from ..transforms.warp import ResizedCrop


@dataclass(frozen=True)
class Recipe:
    """Arguments of `visualize`; either `rate` or `path_length` is None."""

    image: Image
    transforms: Sequence[Transform]
    steps: int
    cycles: Sequence[float]
    rate: float | None = None
    path_length: float | None = None


STEPS = 200  # of the recipes for other networks
EMBEDDED = Recipe(
    Decorrelated(Pyramid(noise=0.05)), (Flip(), ResizedCrop(0.6, 1, degrees=5)), 48, (0.4, 0.7), path_length=5
)
NOISE = 0.02
INNER_NOISE = 0.3  # in plain grey, many neurons behind a relu are dead


def output_recipe(network: Pretrained, size: tuple[int, int]) -> Recipe:
    """For pictures of this size, (height, width)."""
    seen = (5 * size[0] // 7, 5 * size[1] // 7)
    crop = ResizedCrop(0.5, 1, seen if _takes(network, seen) else None, degrees=5)
    return _photographic(network, size, (Flip(), crop), NOISE)


def inner_recipe(network: Pretrained, size: tuple[int, int]) -> Recipe:
    """For pictures of this size, (height, width)."""
    return _photographic(network, size, ROBUST, INNER_NOISE)


def start_recipe(network: Pretrained) -> Recipe:
    image = Pixels(channels=network.channels)
    return Recipe(image, TRANSFORMS, 60, (), path_length=image.path_length)


def _photographic(network: Pretrained, size: tuple[int, int], transforms: Sequence[Transform], noise: float) -> Recipe:
    waves = Fourier(noise=noise, decay=1.3, channels=network.channels)
    image = Bounded(Decorrelated(waves) if network.channels == 3 else waves)
    # an orthonormal transform's coefficients grow with the size of the picture, and so does Adam's rate
    return Recipe(image, transforms, STEPS, (), rate=0.08 / 8 * (size[0] * size[1]) ** 0.5)


def _takes(network: Pretrained, size: tuple[int, int]) -> bool:
    """Whether a network takes pictures of this size, without resizing them."""
    if network.fixed or min(size) < 32:
        return False
    try:
        activations(network, frozenset([OUTPUT]), torch.zeros(1, network.channels, *size))
    except ValueError:
        return False
    return True


def default_recipe(network: Pretrained, inner: bool, size: tuple[int, int], image: Image | None, start: bool) -> Recipe:
    """The recipe for pictures of this size, (height, width), with this image, from a start or from noise.

    inner: whether the objective is of a layer inside, and not of the output.
    """
    if isinstance(network.model, CLIP):
        recipe = EMBEDDED
    elif start:
        recipe = start_recipe(network)
    else:
        recipe = inner_recipe(network, size) if inner else output_recipe(network, size)
    if image is None or image == recipe.image:
        return recipe
    return replace(recipe, image=image, rate=None, path_length=image.path_length)
