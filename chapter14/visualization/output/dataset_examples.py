"""Dataset examples: the photographs of a folder that activate an objective most and least.

A drawn picture shows what a neuron responds to most; photographs show what it responds to in practice. People predict
a neuron's response better from photographs (Borowski et al., 2021, arXiv:2010.12606), and best from both.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ...files import PART, regular
from ...models.pretrained import Pretrained
from ..activations.hooks import PICTURE, activation_hooks, frozen_parameters
from ..objectives.objective import Objective
from .render import flatten_alpha, readable_formats

SUFFIXES = {".jpg", ".jpeg", ".png"}


class Photograph(NamedTuple):
    path: Path
    value: float


class DatasetExamples(NamedTuple):
    most: list[Photograph]  # the highest first
    least: list[Photograph]  # the lowest first


def dataset_examples(
    network: Pretrained,
    objective: Objective | Sequence[Objective],
    folder: str | Path,
    n: int = 5,
    batch: int = 32,
    size: int | tuple[int, int] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> list[DatasetExamples]:
    """For each objective, the `n` photographs of a folder and its subfolders with the largest and smallest value.

    Every photograph passes through the network once, whatever the number of objectives. One that cannot be read is
    left out, with a warning.

    Args:
        size: of the photographs, or (height, width); by default the network's.
        on_batch: called with the number of photographs of each batch.

    Raises:
        ValueError: there is no such folder, or no picture in it that can be read; an objective compares pictures of a
            batch, so that a single picture has no value; n or batch is below 1.
    """
    if n < 1 or batch < 1:
        raise ValueError(f"dataset_examples: n and batch are at least 1; they are {n} and {batch}.")
    objectives = [objective] if isinstance(objective, Objective) else list(objective)
    if together := [o.name for o in objectives if o.together]:
        raise ValueError(f"{', '.join(together)}: it compares pictures, and has no value for a single photograph.")
    paths, shape = find_photographs(folder), size or network.size
    H, W = (shape, shape) if isinstance(shape, int) else shape
    read: list[Path] = []
    most = least = torch.zeros(0, len(objectives))  # the values of the best so far
    at_most = at_least = torch.zeros(0, len(objectives), dtype=torch.long)  # and their places in `read`
    with objective_values(network, objectives) as evaluate:
        for first in range(0, len(paths), batch):
            these = paths[first : first + batch]
            seen = _load_readable(these, (H, W))
            if seen:
                values = evaluate(torch.stack(list(seen.values()))).cpu().float()
                places = torch.arange(len(read), len(read) + len(seen))[:, None].expand_as(values)
                most, at_most = _best(torch.cat([most, values]), torch.cat([at_most, places]), n, True)
                least, at_least = _best(torch.cat([least, values]), torch.cat([at_least, places]), n, False)
                read += seen
            if on_batch:
                on_batch(len(these))
    if not read:
        raise ValueError(f"{folder}: not one picture in it can be read.")

    def photographs(values: Tensor, places: Tensor) -> list[Photograph]:
        return [Photograph(read[i], value) for i, value in zip(places.tolist(), values.tolist(), strict=True)]

    columns = zip(*(t.unbind(1) for t in (most, at_most, least, at_least)), strict=True)
    return [DatasetExamples(photographs(a, at_a), photographs(b, at_b)) for a, at_a, b, at_b in columns]


def find_photographs(folder: str | Path) -> list[Path]:
    """The pictures of a folder and its subfolders, sorted by name.

    Raises:
        ValueError: there is no such folder, or no picture in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: there is no such folder.")
    paths = sorted(
        p for p in Path(folder).rglob("*")
        if p.suffix.lower() in SUFFIXES and p.is_file() and not PART.fullmatch(p.parent.name)
    )  # fmt: skip
    if not paths:
        raise ValueError(f"{folder}: there is no picture in it, neither .jpg nor .png.")
    return paths


@contextmanager
def objective_values(network: Pretrained, objectives: Sequence[Objective]) -> Iterator[Callable[[Tensor], Tensor]]:
    """x [B, C, H, W] → [B, O], the value of each objective for each picture; without gradients.

    A network of one channel sees pictures in grey.
    """
    layers = frozenset[str]().union(*(o.layers for o in objectives))
    values = [o.bind(network) for o in objectives]
    with frozen_parameters(network.model), torch.no_grad(), activation_hooks(network, layers) as collect:

        def evaluate(x: Tensor) -> Tensor:
            x = x.to(network.like.device)
            x = x.mean(1, keepdim=True) if network.channels == 1 else x
            x_l = collect(x) | {PICTURE: x}
            return torch.stack([value(x_l) for value in values], 1)

        yield evaluate


def open_photograph(path: Path, size: tuple[int, int]) -> Image.Image:
    """A photograph as RGB, rotated upright, its middle cropped and resized to (height, width)."""
    H, W = size
    with Image.open(regular(path), formats=readable_formats()) as image:
        image.draft("RGB", (W, H))  # decodes a JPEG no larger than needed
        return ImageOps.fit(flatten_alpha(ImageOps.exif_transpose(image)), (W, H), Image.Resampling.BICUBIC)


def load_photograph(path: Path, size: tuple[int, int]) -> Tensor:
    """The same as a tensor [3, H, W], entries from -1 to 1."""
    return torch.from_numpy(np.array(open_photograph(path, size))).permute(2, 0, 1).float() / 127.5 - 1


def _load_readable(paths: Sequence[Path], size: tuple[int, int]) -> dict[Path, Tensor]:
    seen = {}
    for path in paths:
        try:
            seen[path] = load_photograph(path, size)
        except Exception as error:  # for a broken file, Pillow raises errors of many kinds
            warnings.warn(f"{path}: it cannot be read, and is left out. {error}", stacklevel=3)
    return seen


def _best(values: Tensor, places: Tensor, n: int, descending: bool) -> tuple[Tensor, Tensor]:
    """The n best of each column [n, O], the earlier first if they are equal, and their places."""
    values, order = torch.sort(values, dim=0, descending=descending, stable=True)
    return values[:n], places.gather(0, order[:n])
