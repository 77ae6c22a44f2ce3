"""`chapter14 page`: the pictures of a folder, beside photographs of another, as one page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ..files import OVERWRITE, check, escaped, marked, whole
from ..models.load import Pretrained, load_network
from ..models.state_dict import fingerprint
from ..visualization.objectives.objective import Objective
from ..visualization.output.dataset_examples import (
    DatasetExamples,
    dataset_examples,
    find_photographs,
    objective_values,
)
from ..visualization.output.page import gallery_page
from ..visualization.output.provenance import Provenance, read_folder
from ..visualization.output.render import open_image
from .shared import picture_options
from .shared.options import requested_objectives
from .shared.trust import TRUST_HELP, Untrusted, check_trust, parse_command

DESCRIPTION = """
One file that needs no other: each picture with how it was drawn, and with the photographs that the same objective
values most and least. The pictures are those that `chapter14 visualize` drew.

    chapter14 page pictures --photos ~/photographs --out page.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("folder", type=Path, help="of pictures that chapter14 drew")
    parser.add_argument("--photos", type=Path, help="a folder of photographs to show beside them")
    parser.add_argument("--nearest", type=int, default=6, help="how many photographs beside each, of either kind (6)")
    parser.add_argument("--title", default="What the neurons look for", help="of the page")
    parser.add_argument("--out", type=Path, default=Path("page.html"), help="where it is written (page.html)")
    parser.add_argument("--trust", action="store_true", help=TRUST_HELP)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE)


def run(options: argparse.Namespace) -> int:
    """
    Raises:
        ValueError, FileNotFoundError: no picture has its record, or the photographs cannot be looked at.
    """
    check(options.out, ours=None if options.overwrite else marked)
    if options.nearest < 1:
        raise ValueError(f"--nearest {options.nearest}: it is 1 or more.")
    drawn = read_folder(options.folder, _say)
    n = write_page(options.out, drawn, options.photos, options.nearest, options.title, options.trust)
    print(escaped(f"The page of {n} pictures is {options.out}."))
    return 0


def write_page(
    out: Path,
    drawn: Sequence[tuple[Provenance, Path]],
    photos: Path | None,
    nearest: int,
    title: str,
    trust: bool | None,
) -> int:
    """The page of these pictures, beside the photographs of the folder `photos`: how many it shows.

    `trust`: as `asked_in`.
    """
    whole_ones, images = [], []
    for record, path in drawn:
        try:
            image = open_image(path)
            images.append(image.convert("RGBA" if image.has_transparency_data else "RGB"))
            whole_ones.append((record, path))
        except (ValueError, OSError) as error:
            _say(f"{error} It is left out.")
    if not whole_ones:
        raise ValueError(f"{drawn[0][1].parent}: not one picture in it can be read.")
    beside = _beside(whole_ones, photos, nearest, trust) if photos else None
    written = gallery_page(
        [(record, image) for (record, _), image in zip(whole_ones, images, strict=True)], beside, title
    )
    with whole(out) as file:
        file.write_text(written, encoding="utf-8")
    return len(images)


#: What a photograph is not asked, and how it would be drawn.
DRAWN = {"diverse": 0, "prior": [], "start": None, "steps": 1, "count": 1, "through_relu": 0, "batch": None, "pad": 0,
         "jitter": 0, "blur": 0}  # fmt: skip


def recorded_options(record: Provenance, name: str = "", trust: bool | None = False) -> argparse.Namespace:
    """The options of the command that drew a picture, as a photograph is asked them.

    Args:
        name: what errors call it. trust: whether what the record names is run, read and fetched; None where the record
            is of this very command.

    Raises:
        ValueError: no command drew it. Untrusted: it is not to be followed.
    """
    if record.command[:1] != ["visualize"]:
        raise ValueError(f"{record.objective}: no command drew it, so that its objective is known by name alone.")
    options = parse_command(record.command, name or record.objective)
    vars(options).update(DRAWN)
    if trust is not None:
        check_trust(options, name or record.objective, trust)
    return options


def _beside(
    drawn: Sequence[tuple[Provenance, Path]], folder: Path, n: int, trust: bool | None
) -> list[DatasetExamples]:
    """For each picture, the photographs that its network and objective value most and least, in its size.

    A picture whose record cannot be followed has none.
    """
    find_photographs(folder)
    found: dict[Path, DatasetExamples] = {}
    errors: list[Exception] = []

    def without(path: Path, error: Exception) -> None:
        errors.append(error)
        found[path] = DatasetExamples([], [])
        _say(f"{error} {path} is shown without photographs.")

    every: list[RecordedPicture] = []
    for record, path in drawn:
        try:
            every.append(RecordedPicture(record, path, recorded_options(record, str(path), trust)))
        except Untrusted as error:
            without(path, error)
    for model, named in dict.fromkeys((its.options.model, its.options.weights) for its in every):
        these = [its for its in every if (its.options.model, its.options.weights) == (model, named)]
        try:
            network = load_network(model, named)
        except (ValueError, OSError) as error:
            for its in these:
                without(its.path, error)
            continue
        weights = fingerprint(network.model.state_dict())
        if others := [its.record.objective for its in these if its.record.weights != weights]:
            raise ValueError(f"{model}: its weights are not those that drew {', '.join(others)}.")
        by_size: dict[tuple[int, int], list[tuple[Path, Objective]]] = {}
        for its in these:
            try:
                size = picture_options.picture_size(its.options, network)
                by_size.setdefault(size, []).append((its.path, _asked_alone(its.options, network, size)))
            except (ValueError, IndexError, OSError, ArithmeticError, RuntimeError) as error:
                without(its.path, ValueError(f"{its.path}: {error}"))
        for size, asked in by_size.items():
            found |= _nearest(network, asked, folder, n, size)
    if len(errors) == len(drawn):
        raise errors[0]
    return [found[path] for _, path in drawn]


class RecordedPicture(NamedTuple):
    record: Provenance
    path: Path
    options: argparse.Namespace


def _asked_alone(options: argparse.Namespace, network: Pretrained, size: tuple[int, int]) -> Objective:
    """The objective, where the network can be asked it."""
    asked = requested_objectives(options, network)[0].bare
    with objective_values(network, [asked]) as measure:
        measure(torch.zeros(1, 3, *size))
    return asked


def _nearest(
    network: Pretrained, asked: Sequence[tuple[Path, Objective]], folder: Path, n: int, size: tuple[int, int]
) -> dict[Path, DatasetExamples]:
    from tqdm import tqdm

    with tqdm(total=len(find_photographs(folder)), desc="photographs", file=sys.stderr) as bar:
        near = dataset_examples(network, [its for _, its in asked], folder, n, size=size, on_batch=bar.update)
    return {path: beside for (path, _), beside in zip(asked, near, strict=True)}


def _say(what: str) -> None:
    print(f"chapter14 page: {escaped(what)}", file=sys.stderr)
