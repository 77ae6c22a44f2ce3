"""Which entry of its window: for each window of a pool one place in the image, kept in a byte.

    index = begin + step       in the image laid flat: where the window begins, and how far from there the entry is
    number                     of `step` among the steps of a window: 0 to 8 in one of 3 x 3

Where a window has more than 256 entries, where there are few windows, and where something is compiled, batched or
traced, the index is kept as it is, and `places` takes that too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...recorder import as_one
from ..core.bitmask import SMALL, is_plain

#: Of windows in an image of some shape, with outputs of some shape: where each begins, axis by axis, and how far from
#: there its entries are.
Corners = Callable[[Sequence[int], Sequence[int]], tuple[list[list[int]], list[Sequence[int]]]]


@as_one
def numbers(index: Tensor, image: torch.Size, corners: Corners | None) -> Tensor:
    """The index [..., *outputs], each entry as its number in its window; or as it is."""
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
    """The index that `numbers` was given."""
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
