"""Validates outputs before optimization starts."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from ... import files
from ...models.load import load_network
from ...models.pretrained import Pretrained
from ...visualization.optimization.checkpoint import is_checkpoint
from ...visualization.output.animation import check_film_path
from ...visualization.output.dataset_examples import find_photographs, objective_values
from ...visualization.output.provenance import is_own_image
from ...visualization.output.render import check_image_path
from .options import RequestedObjective


def load_second_network(options: argparse.Namespace, requested: Sequence[RequestedObjective]) -> Pretrained | None:
    """The --second network, after a check that it has the objectives.

    Raises:
        ValueError: it lacks one; or the options do not fit.
    """
    if options.second is None:
        if options.second_weights:
            raise ValueError("--second-weights need a --second network.")
        return None
    if not options.report:
        raise ValueError("--second needs --report.")
    second = load_network(options.second, options.second_weights, options.device)
    with objective_values(second, [request.bare for request in requested]) as evaluate:
        evaluate(torch.zeros(1, second.channels, second.size, second.size))
    return second


def validate_outputs(
    options: argparse.Namespace, out: Path, size: int, pictures: Sequence[Path], checkpoint: Path
) -> None:
    """Checks that every output can be written, and overwrites no file of another program.

    Args:
        size: of all pictures, in bytes. pictures: their paths; if there are several, `out` is their contact sheet.

    Raises:
        ValueError: it cannot, or would; or an option is out of range.
    """
    check_image_path(out)
    if options.film:
        check_film_path(options.film)
    others = [path for path in (options.film, options.page) if path]
    for path in others:
        files.check_writable(path, ours=None if options.overwrite else files.marked)
    files.check_writable(out, size)
    if options.photos:
        if not options.page:
            raise ValueError("--photos needs a --page.")
        find_photographs(options.photos)
    for name in ("count", "steps", "height", "columns", "between", "batch"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ValueError(f"--{name} {value}: it is at least 1.")
    if out.with_suffix("").is_file():
        raise ValueError(f"{out.with_suffix('')}: it is a file, and would be the folder of the pictures.")
    files.clean(pictures[0].parent if pictures else out.parent)
    images = pictures if len(pictures) == 1 else [out, *pictures]
    json = [path.with_suffix(".json") for path in pictures]
    counts = Counter(map(os.path.abspath, [*images, *json, checkpoint, *others]))
    if twice := [path for path, n in counts.items() if n > 1]:
        raise ValueError(f"{twice[0]}: two different things would be written there.")
    if not options.overwrite:
        files.unrelated(checkpoint, is_checkpoint)
        for path in images:
            files.unrelated(path, lambda path: is_own_image(path) or is_checkpoint(checkpoint))
        for path in json:
            files.unrelated(path, is_own_image)
