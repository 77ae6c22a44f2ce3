"""Options of `chapter14 visualize` as arguments of `visualize`: image, transforms, cycles, size, start."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from ...files import regular
from ...models.pretrained import Pretrained
from ...visualization.images.colour import Alpha, Bounded, Decorrelated, Grey
from ...visualization.images.fourier import MACO, Fourier
from ...visualization.images.image import Image, Pixels, Pyramid
from ...visualization.objectives.objective import Objective
from ...visualization.optimization.optimize import find_recipes
from ...visualization.optimization.recipe import Recipe
from ...visualization.output.dataset_examples import load_photograph
from ...visualization.output.render import unreadable
from ...visualization.transforms.colour import Blur, Colour, Composite, Noise
from ...visualization.transforms.move import Flip, Jitter, Pad
from ...visualization.transforms.presets import JITTER, NOISE, ROBUST
from ...visualization.transforms.transform import Transform
from ...visualization.transforms.warp import ResizedCrop, Rotate, Scale

IMAGES = {"pixels": Pixels, "pyramid": Pyramid, "fourier": Fourier, "maco": MACO}
MAX_AMOUNT = 1e6  # larger positions in a picture are not exact in float32

TRANSFORMS = ("robust", "pad", "jitter", "rotate", "scale", "crop", "colour", "blur", "noise", "no_flip")


def make_recipe(
    options: argparse.Namespace, network: Pretrained, objectives: Sequence[Objective], start: Tensor | None
) -> Recipe:
    """The arguments of `visualize` that the options or else the network determine."""
    size, cycles = picture_size(options, network), parse_cycles(options)
    # one objective stands for all: the options ask for sentences, classes or one layer
    find = functools.partial(find_recipes, network, objectives[:1], size, options.steps, cycles, start=start)
    (default,) = find()
    image, rate, path_length = make_image(options, default.image), options.rate, options.path_length
    if rate is None and path_length is None and not options.image:
        rate = default.rate
    if any(getattr(options, name) not in (None, False) for name in TRANSFORMS):
        transforms = make_transforms(options)
    else:
        transforms = [*([Composite()] if options.alpha else []), *default.transforms]
    (recipe,) = find(image=image, path_length=path_length, rate=rate, transforms=transforms)
    return recipe


def make_image(options: argparse.Namespace, default: Image) -> Image:
    """The image of the options; without --image, `default` in the given colours."""
    if options.grey and options.decorrelated:
        raise ValueError("--grey has no colours to be --decorrelated.")
    if options.image == "maco" and options.alpha:
        raise ValueError("--image maco has no --alpha: photographs have no spectrum of it.")
    if options.alpha and options.importance:
        raise ValueError("--alpha and --importance both determine the opacity: give one of them.")
    image: Image = IMAGES[options.image](channels=default.channels) if options.image else default
    bounded, decorrelated = options.bounded, options.decorrelated
    if isinstance(image, Bounded):
        bounded, image = True, image.image
    if isinstance(image, Decorrelated):
        decorrelated, image = True, image.image
    image = Grey(image) if options.grey else Decorrelated(image) if decorrelated else image
    image = Bounded(image) if bounded else image
    return Alpha(image) if options.alpha else image


def make_transforms(options: argparse.Namespace) -> list[Transform]:
    """The transforms in order, without those that do nothing."""

    def of(name: str, make: Callable[..., Transform], identity: float = 0, default: float = 0) -> list[Transform]:
        value = default if (value := getattr(options, name)) is None else value
        if not math.isfinite(value):
            raise ValueError(f"--{name} {value}: it is a finite number.")
        if abs(value) > MAX_AMOUNT:
            raise ValueError(f"--{name} {value:g}: it is at most {MAX_AMOUNT:g}.")
        try:
            return [make(value)] if value != identity else []
        except ValueError as error:
            raise ValueError(f"--{name} {value:g}: {error}") from error

    return [
        *([Composite()] if options.alpha else []),
        *(ROBUST if options.robust else ()),
        *of("pad", Pad),
        *of("jitter", Jitter, default=JITTER.pixels),
        *([] if options.no_flip else [Flip()]),
        *of("rotate", Rotate),
        *of("scale", lambda share: Scale(1 - share, 1 + share)),
        *of("crop", lambda share: ResizedCrop(share, 1), identity=1, default=1),
        *of("colour", lambda share: Colour(share, share, share, share)),
        *of("blur", lambda pixels: Blur(0, pixels)),
        *of("noise", Noise, default=NOISE.sigma),
    ]


def parse_cycles(options: argparse.Namespace) -> tuple[float, ...] | None:
    if options.cycles is None:
        return None
    words = [] if options.cycles == "none" else options.cycles.split(",")
    if not all(is_number(word) and 0 <= float(word) < 1 for word in words):
        raise ValueError(f"--cycles {options.cycles}: it is numbers from 0 to below 1, as in 0.4,0.6; or none.")
    return tuple(map(float, words))


def picture_size(options: argparse.Namespace, network: Pretrained) -> tuple[int, int]:
    """(height, width)."""
    if options.size is None:
        return network.size, network.size
    sides = options.size.split("x")
    if len(sides) not in (1, 2) or not all(side.isdecimal() and int(side) for side in sides):
        raise ValueError(f"--size {options.size}: it is a number of pixels, or HEIGHTxWIDTH, as in 96x128.")
    return int(sides[0]), int(sides[-1])


def start_picture(options: argparse.Namespace, network: Pretrained) -> Tensor | None:
    return None if options.start is None else read_photograph(options.start, network, picture_size(options, network))


def read_photograph(path: Path, network: Pretrained, size: tuple[int, int]) -> Tensor:
    """The middle of a photograph, resized to (height, width): x [3, H, W], or [1, H, W] for a network of grey pictures.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it cannot be read.
    """
    regular(path)
    try:
        x = load_photograph(path, size)
    except Exception as error:  # for a broken file, Pillow raises errors of many kinds
        raise unreadable(path, error) from error
    return x.mean(0, keepdim=True) if network.channels == 1 else x


def is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
