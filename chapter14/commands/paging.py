"""`chapter14 page`: the pictures of a folder, beside photographs of another, as one page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..models.weights import fingerprint
from ..models.zoo import Pretrained, load
from ..files import check, whole
from ..visualization.nearest import Nearest, nearest, photographs
from ..visualization.page import page
from ..visualization.record import Record, records_in
from . import asking, shaping

DESCRIPTION = """
One file that needs no other: each picture with how it was drawn, and with the photographs that the same objective
values most and least. The pictures are those that `chapter14 visualize` drew.

    chapter14 page pictures --photos ~/photographs --out page.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.formatter_class = DESCRIPTION, argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="of pictures that chapter14 drew")
    parser.add_argument("--photos", type=Path, help="a folder of photographs to show beside them")
    parser.add_argument("--nearest", type=int, default=6, help="how many photographs beside each, of either kind (6)")
    parser.add_argument("--title", default="What the neurons look for", help="of the page")
    parser.add_argument("--out", type=Path, default=Path("page.html"), help="where it is written (page.html)")


def run(options: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, FileNotFoundError: no picture has its record, or the photographs cannot be looked at.
    """
    check(options.out)
    if options.nearest < 1:
        raise ValueError(f"--nearest {options.nearest}: it is 1 or more.")
    drawn = records_in(options.folder)
    write_page(options.out, drawn, options.photos, options.nearest, options.title)
    print(f"The page of {len(drawn)} pictures is {options.out}.")
    return 0


def write_page(out: Path, drawn: Sequence[tuple[Record, Path]], photos: Path | None, nearest: int, title: str) -> None:
    """The page of these pictures, beside the photographs of the folder `photos`."""
    beside = _beside([record for record, _ in drawn], photos, nearest) if photos else None
    written = page([(record, _read(path)) for record, path in drawn], beside, title)
    with whole(out) as file:
        file.write_text(written, encoding="utf-8")


def asked_in(record: Record) -> argparse.Namespace:
    """The options of the command that drew a picture.

    Raises:
        ValueError: no command drew it.
    """
    if record.command[:1] != ["visualize"]:
        raise ValueError(f"{record.objective}: no command drew it, so that its objective is known by name alone.")
    parser = argparse.ArgumentParser()
    asking.add_arguments(parser)
    options = parser.parse_args(record.command[1:])
    options.diverse, options.prior = 0, []  # of pictures that are drawn, and not of photographs
    return options


def _beside(records: Sequence[Record], folder: Path, n: int) -> list[Nearest]:
    """For each record, the photographs that its network and objective value most and least, in the picture's size."""
    found: dict[int, Nearest] = {}
    every = [(record, asked_in(record)) for record in records]
    for model, named in dict.fromkeys((options.model, options.weights) for _, options in every):
        network = load(model, named)
        its = [(record, options) for record, options in every if (options.model, options.weights) == (model, named)]
        weights = fingerprint(network.model.state_dict())
        if others := [record.objective for record, _ in its if record.weights != weights]:
            raise ValueError(f"{model}: its weights are not those that drew {', '.join(others)}.")
        sizes = {id(record): shaping.size(options, network) for record, options in its}
        for size in dict.fromkeys(sizes.values()):
            of_size = [(record, options) for record, options in its if sizes[id(record)] == size]
            found |= _nearest(network, of_size, folder, n, size)
    return [found[id(record)] for record in records]


def _nearest(
    network: Pretrained,
    those: Sequence[tuple[Record, argparse.Namespace]],
    folder: Path,
    n: int,
    size: int | tuple[int, int] | None,
) -> dict[int, Nearest]:
    from tqdm import tqdm

    asked = [asking.objectives(options, network)[0].bare for _, options in those]
    with tqdm(total=len(photographs(folder)), desc="photographs", file=sys.stderr) as bar:
        near = nearest(network, asked, folder, n, size=size, on_batch=bar.update)
    return {id(record): beside for (record, _), beside in zip(those, near, strict=True)}


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except Exception as error:  # of a broken file, Pillow raises whatever its reader comes by
        raise ValueError(f"{path}: it cannot be read as a picture. {error}") from error
