"""The index of one entry in each pooling window, saved for the backward pass in one byte.

    index = begin + step       in the flattened image: the window's begin, and the entry's distance from it
    number                     which of the steps of a window: 0 to 8 for 3 x 3

If a window has more than 256 entries, if there are few windows, and in compiled, batched or traced code, the index is
saved as it is; `places` takes that too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...layer.recorder import as_one
from ..core.bitmask import SMALL, is_plain

#: (shape of the image, shape of the outputs) → for each axis, where each window begins, and the distances of its
#: entries from there.
Corners = Callable[[Sequence[int], Sequence[int]], tuple[list[list[int]], Sequence[Sequence[int]]]]


@as_one
def numbers(index: Tensor, image: torch.Size, corners: Corners | None) -> Tensor:
    """The index [..., *outputs], as numbers within the windows; or as it is."""
    if corners is None or index.numel() < SMALL or not is_plain(index):
        return index
    steps, begin = _steps(index, image, corners)
    if len(steps) > 256:
        return index
    number = torch.zeros(max(steps) + 1, dtype=torch.uint8, device=index.device)
    number[steps] = torch.arange(len(steps), dtype=torch.uint8, device=index.device)
    return _read(number, index - begin)


@as_one
def places(number: Tensor, image: torch.Size, corners: Corners | None) -> Tensor:
    """The index that was given to `numbers`."""
    if number.dtype != torch.uint8 or corners is None:
        return number
    steps, begin = _steps(number, image, corners)
    return _read(torch.tensor(steps, device=number.device), number.int()).add_(begin)


def _read(row: Tensor, at: Tensor) -> Tensor:
    """row[at], several times faster."""
    return row.index_select(0, at.reshape(-1)).view(at.shape)


def _steps(like: Tensor, image: torch.Size, corners: Corners) -> tuple[list[int], Tensor]:
    begins, reach = corners(image, like.shape[-len(image) :])
    steps, begin = [0], torch.zeros((), dtype=torch.int64, device=like.device)
    for n, begins_, reach_ in zip(image, begins, reach, strict=True):
        steps = [step * n + i for step, i in itertools.product(steps, reach_)]
        begin = begin.unsqueeze(-1) * n + torch.tensor(begins_, device=like.device)
    return steps, begin
