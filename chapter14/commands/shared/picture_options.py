"""What `chapter14 visualize` is told of the picture: its parameters, its size, what is done to it, where it begins."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from ...files import regular
from ...models.pretrained import Pretrained
from ...visualization.images.colour import Alpha, Decorrelated, Grey
from ...visualization.images.fourier import MACO, Fourier
from ...visualization.images.image import Image, Pixels, Pyramid
from ...visualization.output.dataset_examples import load_photograph
from ...visualization.transforms.colour import Blur, Colour, Composite, Noise
from ...visualization.transforms.move import Flip, Jitter, Pad
from ...visualization.transforms.presets import ROBUST
from ...visualization.transforms.transform import Transform
from ...visualization.transforms.warp import ResizedCrop, Rotate, Scale

IMAGES = {"pixels": Pixels, "pyramid": Pyramid, "fourier": Fourier, "maco": MACO}
MAX_AMOUNT = 1e6  # beyond it, places in a picture are no whole numbers in float32


def make_image(options: argparse.Namespace) -> Image:
    if options.grey and options.decorrelated:
        raise ValueError("--grey has no colours to be --decorrelated.")
    if options.image == "maco" and options.alpha:
        raise ValueError("--image maco has no --alpha: the spectrum of photographs says nothing of it.")
    if options.alpha and options.importance:
        raise ValueError("--alpha and --importance both say how opaque the picture is: it is one of them.")
    its: Image = IMAGES[options.image]()
    its = Grey(its) if options.grey else Decorrelated(its) if options.decorrelated else its
    return Alpha(its) if options.alpha else its


def make_transforms(options: argparse.Namespace) -> list[Transform]:
    """What is done to the picture, in order; of an option that does nothing, none."""

    def of(name: str, make: Callable[..., Transform], nothing: float = 0) -> list[Transform]:
        value = getattr(options, name)
        if not math.isfinite(value):
            raise ValueError(f"--{name} {value}: it is a number, and finite.")
        if abs(value) > MAX_AMOUNT:
            raise ValueError(f"--{name} {value:g}: it goes up to {MAX_AMOUNT:g}.")
        try:
            return [make(value)] if value != nothing else []
        except ValueError as error:
            raise ValueError(f"--{name} {value:g}: {error}") from error

    return [
        *([Composite()] if options.alpha else []),
        *(ROBUST if options.robust else ()),
        *of("pad", Pad),
        *of("jitter", Jitter),
        *([] if options.no_flip else [Flip()]),
        *of("rotate", Rotate),
        *of("scale", lambda share: Scale(1 - share, 1 + share)),
        *of("crop", lambda share: ResizedCrop(share, 1), nothing=1),
        *of("colour", lambda share: Colour(share, share, share, share)),
        *of("blur", lambda pixels: Blur(0, pixels)),
        *of("noise", Noise),
    ]


def parse_cycles(options: argparse.Namespace) -> tuple[float, ...]:
    words = [] if options.cycles == "none" else options.cycles.split(",")
    if not all(is_number(word) and 0 <= float(word) < 1 for word in words):
        raise ValueError(f"--cycles {options.cycles}: they are numbers from 0 up to 1, as 0.4,0.6; or none.")
    return tuple(map(float, words))


def picture_size(options: argparse.Namespace, network: Pretrained) -> tuple[int, int]:
    """Of the picture that is drawn: its height and width."""
    if options.size is None:
        return network.size, network.size
    sides = options.size.split("x")
    if len(sides) not in (1, 2) or not all(side.isdecimal() and int(side) for side in sides):
        raise ValueError(f"--size {options.size}: it is a number of pixels, or HEIGHTxWIDTH, as in 96x128.")
    return int(sides[0]), int(sides[-1])


def start_picture(options: argparse.Namespace, network: Pretrained) -> Tensor | None:
    return None if options.start is None else read_photograph(options.start, *picture_size(options, network))


def read_photograph(path: Path, H: int, W: int) -> Tensor:
    """x [3, H, W], its middle.

    Raises:
        FileNotFoundError, ValueError: there is none, or it cannot be read.
    """
    regular(path)
    try:
        return load_photograph(path, (H, W))
    except Exception as error:  # of a broken file, Pillow raises whatever its reader comes by
        raise ValueError(f"{path}: it cannot be read as a picture. {error}") from error


def is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
