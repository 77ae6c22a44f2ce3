"""What would fail when all is drawn fails before."""

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
from ...visualization.output import animation, render
from ...visualization.output.dataset_examples import find_photographs, objective_values
from ...visualization.output.provenance import is_own_image
from .options import RequestedObjective


def load_second_network(options: argparse.Namespace, asked: Sequence[RequestedObjective]) -> Pretrained | None:
    """The network that is asked in the end, where it can be."""
    if options.second is None:
        if options.second_weights:
            raise ValueError("--second-weights are those of a --second network.")
        return None
    if not options.report:
        raise ValueError("--second is asked for the --report.")
    second = load_network(options.second, options.second_weights, options.device)
    with objective_values(second, [its.bare for its in asked]) as measure:
        measure(torch.zeros(1, 3, second.size, second.size))
    return second


def validate_outputs(
    options: argparse.Namespace, out: Path, size: int, pictures: Sequence[Path], checkpoint: Path, every: bool
) -> None:
    """What would fail in the end fails now.

    Args:
        size: in bytes, of what is drawn. pictures: where they go. every: whether they are all there are, so that `out`
            is one of them and no sheet.
    """
    render.check_image_path(out)
    if options.film:
        animation.check_film_path(options.film)
    for path in filter(None, (options.film, options.page)):
        files.check(path, ours=None if options.overwrite else files.marked)
    files.check(out, size)
    if options.photos and not options.page:
        raise ValueError("--photos are shown on a --page.")
    if options.photos:
        find_photographs(options.photos)
    for name in ("count", "steps", "height", "columns", "between", "batch"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ValueError(f"--{name} {value}: it is 1 or more.")
    if out.with_suffix("").is_file():
        raise ValueError(f"{out.with_suffix('')}: it is a file, and would be the folder of the pictures.")
    files.clean(pictures[0].parent if pictures else out.parent)
    written = [*([] if every else [out]), *pictures]
    beside = [path.with_suffix(".json") for path in pictures]
    once = [*written, *beside, checkpoint, *filter(None, (options.film, options.page))]
    if twice := [path for path, n in Counter(map(os.path.abspath, once)).items() if n > 1]:
        raise ValueError(f"{twice[0]}: two different things would be written there.")
    if not options.overwrite:
        files.unrelated(checkpoint, is_checkpoint)
        for path in written:
            files.unrelated(path, lambda path: is_own_image(path) or is_checkpoint(checkpoint))
        for path in beside:
            files.unrelated(path, is_own_image)
