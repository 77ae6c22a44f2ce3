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
from ..optimization.cost import Settings, cost_function
from .render import flatten_alpha, readable_formats

SUFFIXES = {".jpg", ".jpeg", ".png"}


Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the cropped photograph's sides


class Photograph(NamedTuple):
    path: Path
    value: float


class DatasetExamples(NamedTuple):
    most: list[Photograph]  # the highest first
    least: list[Photograph]  # the lowest first
    boxes: Sequence[Box | None] = ()  # of `most`, if they are square: the part that the value depends on, as `_boxes`


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
    left out, with a warning. Those with the largest values pass once more, for the part that the value depends on.

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
    found = [DatasetExamples(photographs(a, at_a), photographs(b, at_b)) for a, at_a, b, at_b in columns]
    if H != W:
        return found
    settings = Settings(())
    return [
        examples._replace(boxes=_boxes(_gradient(network, o, [photo.path for photo in examples.most], H, settings)))
        for o, examples in zip(objectives, found, strict=True)
    ]


def _gradient(
    network: Pretrained, objective: Objective, paths: Sequence[Path], size: int, settings: Settings
) -> Tensor:
    """|dJ/dx| [B, H, W] of photographs, summed over channels."""
    found = []
    with frozen_parameters(network.model), cost_function(network, [objective], settings) as J:
        for path in paths:
            x = _as_input(network, load_photograph(path, (size, size))[None]).requires_grad_()
            (g,) = torch.autograd.grad(J(0, x, ()).sum(), x)
            found.append(g.abs().sum(1))
    return torch.cat(found)


def _boxes(g: Tensor) -> list[Box | None]:
    """|dJ/dx| [B, H, W] → for each photograph, the middle half of it along each axis; None where it is zero."""

    def middle(g: Tensor) -> tuple[list[float], list[float]]:
        g = g.double()
        share = (
            (g.cumsum(1) / g.sum(1, keepdim=True)).round(decimals=9).contiguous()
        )  # [B, N]; a quarter, despite rounding
        low, high = (torch.searchsorted(share, share.new_full((len(g), 1), q), right=q < 0.5) for q in (0.25, 0.75))
        return (low[:, 0] / g.shape[1]).tolist(), ((high[:, 0] + 1) / g.shape[1]).tolist()

    (left, right), (top, bottom) = middle(g.sum(1)), middle(g.sum(2))
    boxes = zip(left, top, right, bottom, strict=True)
    return [box if some else None for box, some in zip(boxes, (g.amax((1, 2)) > 0).tolist(), strict=True)]


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
            x = _as_input(network, x)
            x_l = collect(x) | {PICTURE: x}
            return torch.stack([value(x_l) for value in values], 1)

        yield evaluate


def _as_input(network: Pretrained, x: Tensor) -> Tensor:
    x = x.to(network.like.device)
    return x.mean(1, keepdim=True) if network.channels == 1 else x


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
