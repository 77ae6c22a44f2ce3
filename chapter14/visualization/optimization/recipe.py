"""How a picture is drawn unless the caller says otherwise: parameterization, transforms, steps.

    OWN             for the embedded network, whose gradient leads from noise to a picture: pixels, steps of given
                    lengths, and descents from mixtures of the picture with noise
    ADVERSARIAL     for a CLIP that was trained adversarially, whose gradient is smooth: a pyramid in decorrelated
                    colours, and steps of given lengths
    photographic    for every other network: Fourier coefficients in decorrelated colours, bounded, by Adam, seen in
                    crops of several sizes

docs/recipe.md has the measurements that chose the second. Lucid (Olah, Mordvintsev, Schubert, 2017) has the same
parameterization and rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...models.clip import CLIP
from ...models.pretrained import Pretrained
from ..images.colour import Bounded, Decorrelated
from ..images.fourier import Fourier
from ..images.image import Image, Pixels, Pyramid
from ..transforms.move import Flip
from ..transforms.presets import CROPS, TRANSFORMS
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


OWN = Recipe(Pixels(), TRANSFORMS, 60, (0.4, 0.6, 0.8), path_length=Pixels().path_length)
ADVERSARIAL = Recipe(
    Decorrelated(Pyramid(noise=0.1)), (Flip(), ResizedCrop(0.7, 1, degrees=5)), 48, (), path_length=1.8
)
NOISE = 0.3  # to start from: in plain grey, many neurons behind a relu are dead


def photographic(height: int, width: int, channels: int = 3) -> Recipe:
    """For pictures of this size; an orthonormal transform's coefficients grow with it, and so does Adam's rate."""
    waves = Fourier(noise=NOISE, decay=1.3, channels=channels)
    image = Bounded(Decorrelated(waves) if channels == 3 else waves)
    return Recipe(image, CROPS, 144, (), rate=0.08 / 8 * (height * width) ** 0.5)


def default_recipe(network: Pretrained, size: tuple[int, int], image: Image | None, start: bool) -> Recipe:
    """The recipe for pictures of this size, (height, width), with this image, from a start or from noise."""
    n = network.channels
    if isinstance(network.model, CLIP) and network.model.adversarial:
        recipe = ADVERSARIAL
    elif isinstance(network.model, CLIP) or start:
        recipe = replace(OWN, image=Pixels(channels=n))
    else:
        recipe = photographic(*size, n)
    return recipe if image is None else replace(recipe, image=image, rate=None, path_length=image.path_length)
