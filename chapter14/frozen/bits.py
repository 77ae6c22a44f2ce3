"""Which entries relu lets through: one bit an entry.

Byte j of n/8 has the entries j, j + n/8, j + 2n/8, ...: each of the eight places in a byte is one long row of entries,
which a processor takes many at a time. The masks of small layers are packed together, and an image's entries are in
their order with channels last.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

TOGETHER = 2**20  # entries


def packed(masks: Sequence[Tensor]) -> Tensor:
    """Masks [*] bool, laid one after the other → [⌈n/8⌉] uint8."""
    rows = [mask.view(torch.uint8).as_strided((mask.numel(),), (1,)) for mask in masks]
    row = rows[0] if len(rows) == 1 else torch.cat(rows)
    if missing := -len(row) % 8:
        row = torch.nn.functional.pad(row, (0, missing))
    return torch.mul(row.view(8, -1), _places(row.device)).sum(0, dtype=torch.uint8)


def unpacked(bits: Tensor) -> Tensor:
    """[n/8] → [n] uint8, ones and zeros."""
    places = torch.bitwise_and(bits, _places(bits.device))  # the value of a place, or 0: faster than to shift
    return places.view(-1).bool().view(torch.uint8)


def gated(g: Tensor, masks: Tensor, first: int) -> Tensor:
    """g where its mask is, the entries of `masks` from `first` on, and else 0; in new memory."""
    return masks.as_strided(g.shape, strides(g.shape), first).to(g.dtype).mul_(g)


def together(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Which pack each mask is in, of one or of up to TOGETHER entries; and its first entry there."""
    pack, n = 0, 0
    for size in sizes:
        if n and n + size > TOGETHER:
            pack, n = pack + 1, 0
        yield pack, n
        n += size


def strides(shape: Sequence[int]) -> Sequence[int]:
    """Of a tensor whose memory has no gaps; of an image, with channels last."""
    if len(shape) == 4:
        _, C, H, W = shape
        return H * W * C, 1, W * C, C
    found, n = [1] * len(shape), 1
    for axis in range(len(shape) - 1, -1, -1):
        found[axis], n = n, n * shape[axis]
    return found


def flat(x: Tensor) -> Tensor:
    """x as one row, an image with channels last."""
    return x.permute(0, 2, 3, 1).reshape(-1) if x.ndim == 4 else x.reshape(-1)


@functools.cache
def _places(device: torch.device) -> Tensor:
    """The value of each place in a byte: [8, 1]."""
    return torch.tensor([[2**place] for place in range(8)], dtype=torch.uint8, device=device)
