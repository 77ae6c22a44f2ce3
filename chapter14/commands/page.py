"""`chapter14 page`: the pictures of a folder on one page, with dataset examples."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ..files import OVERWRITE, check_writable, escaped, marked, whole
from ..models.load import load_network
from ..models.pretrained import Pretrained
from ..models.state_dict import fingerprint
from ..visualization.objectives.objective import Objective
from ..visualization.output.dataset_examples import (
    DatasetExamples,
    dataset_examples,
    find_photographs,
    objective_values,
)  # fmt: skip
from ..visualization.output.page import TITLE, gallery_page
from ..visualization.output.provenance import Provenance, read_folder
from ..visualization.output.render import open_image
from .shared.options import requested_objectives
from .shared.picture_options import picture_size
from .shared.trust import TRUST_HELP, Untrusted, check_trust, parse_command

DESCRIPTION = """
Writes one HTML file without external resources: each picture of a folder with its provenance, and with the photographs
for which its objective has the highest and lowest values. `chapter14 visualize` draws the pictures.

    chapter14 page pictures --photos ~/photographs --out page.html
"""
NEAREST = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("folder", type=Path, help="of pictures that chapter14 drew")
    parser.add_argument("--photos", type=Path, help="a folder of photographs to show beside them")
    parser.add_argument("--nearest", type=int, default=NEAREST, help="photographs of either kind (%(default)s)")
    parser.add_argument("--title", default=TITLE, help="of the page")
    parser.add_argument("--out", type=Path, default=Path("page.html"), help="the file (%(default)s)")
    parser.add_argument("--trust", action="store_true", help=TRUST_HELP)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE)


def run(options: argparse.Namespace) -> int:
    check_writable(options.out, ours=None if options.overwrite else marked)
    if options.nearest < 1:
        raise ValueError(f"--nearest {options.nearest}: it is at least 1.")
    pictures = read_folder(options.folder, _warn)
    n = write_page(options.out, pictures, options.photos, options.nearest, options.title, options.trust)
    print(escaped(f"The page of {n} pictures is {options.out}."))
    return 0


def write_page(
    out: Path, pictures: Sequence[tuple[Provenance, Path]], photos: Path | None, nearest: int, title: str,
    trust: bool | None,
) -> int:  # fmt: skip
    """Writes the page, with dataset examples from the folder `photos`. Returns the number of pictures on it.

    `trust`: as for `recorded_options`.
    """
    readable, images = [], []
    for provenance, path in pictures:
        try:
            image = open_image(path)
            images.append(image.convert("RGBA" if image.has_transparency_data else "RGB"))
            readable.append((provenance, path))
        except (ValueError, OSError) as error:
            _warn(f"{error} It is left out.")
    if not readable:
        raise ValueError(f"{pictures[0][1].parent}: not one picture in it can be read.")
    examples = _examples(readable, photos, nearest, trust) if photos else None
    page = gallery_page(list(zip([provenance for provenance, _ in readable], images, strict=True)), examples, title)
    with whole(out) as file:
        file.write_text(page, encoding="utf-8")
    return len(images)


#: Options that do not apply to photographs.
UNUSED = {"diverse": 0, "prior": [], "start": None, "steps": 1, "count": 1, "through_relu": 0, "batch": None, "pad": 0,
          "jitter": 0, "blur": 0}  # fmt: skip


def recorded_options(provenance: Provenance, name: str = "", trust: bool | None = False) -> argparse.Namespace:
    """The options of the command that drew a picture, for the evaluation of its objective on photographs.

    Args:
        name: of the picture, for errors. trust: whether the command may run, read and download files; None if it is
            this process's own.

    Raises:
        ValueError: no command drew it. Untrusted: as `check_trust`.
    """
    name = name or provenance.objective
    if provenance.command[:1] != ["visualize"]:
        raise ValueError(f"{provenance.objective}: no command drew it, so its objective is known by name only.")
    options = parse_command(provenance.command, name)
    vars(options).update(UNUSED)
    if trust is not None:
        check_trust(options, name, trust)
    return options


class RecordedPicture(NamedTuple):
    provenance: Provenance
    path: Path
    options: argparse.Namespace


def _examples(
    pictures: Sequence[tuple[Provenance, Path]], folder: Path, n: int, trust: bool | None
) -> list[DatasetExamples]:
    """The dataset examples of each picture's objective, in its size; none if its command cannot be used."""
    find_photographs(folder)
    found: dict[Path, DatasetExamples] = {}
    errors: list[Exception] = []

    def skip(path: Path, error: Exception) -> None:
        errors.append(error)
        found[path] = DatasetExamples([], [])
        _warn(f"{error} {path} is shown without photographs.")

    by_network: dict[tuple[str, str], list[RecordedPicture]] = {}
    for provenance, path in pictures:
        try:
            options = recorded_options(provenance, str(path), trust)
            recorded = RecordedPicture(provenance, path, options)
            by_network.setdefault((options.model, options.weights), []).append(recorded)
        except Untrusted as error:
            skip(path, error)
    for (model, weights), these in by_network.items():
        try:
            network = load_network(model, weights)
        except (ValueError, OSError) as error:
            for recorded in these:
                skip(recorded.path, error)
            continue
        current = fingerprint(network.model.state_dict())
        if others := [recorded.provenance.objective for recorded in these if recorded.provenance.weights != current]:
            raise ValueError(f"{model}: its weights are not those that drew {', '.join(others)}.")
        by_size: dict[tuple[int, int], list[tuple[Path, Objective]]] = {}
        for recorded in these:
            try:
                size = picture_size(recorded.options, network)
                by_size.setdefault(size, []).append((recorded.path, _objective(recorded.options, network, size)))
            except (ValueError, IndexError, OSError, ArithmeticError, RuntimeError) as error:
                skip(recorded.path, ValueError(f"{recorded.path}: {error}"))
        for size, objectives in by_size.items():
            found |= _examples_of_size(network, objectives, folder, n, size)
    if len(errors) == len(pictures):
        raise errors[0]
    return [found[path] for _, path in pictures]


def _objective(options: argparse.Namespace, network: Pretrained, size: tuple[int, int]) -> Objective:
    """The objective, after a check that the network has it."""
    objective = requested_objectives(options, network)[0].bare
    with objective_values(network, [objective]) as evaluate:
        evaluate(torch.zeros(1, network.channels, *size))
    return objective


def _examples_of_size(
    network: Pretrained, objectives: Sequence[tuple[Path, Objective]], folder: Path, n: int, size: tuple[int, int]
) -> dict[Path, DatasetExamples]:
    from tqdm import tqdm

    paths, given = zip(*objectives, strict=True)
    with tqdm(total=len(find_photographs(folder)), desc="photographs", file=sys.stderr) as bar:
        examples = dataset_examples(network, given, folder, n, size=size, on_batch=bar.update)
    return dict(zip(paths, examples, strict=True))


def _warn(message: str) -> None:
    print(f"chapter14 page: {escaped(message)}", file=sys.stderr)
