"""Which entries relu lets through, one bit an entry: the masks of small layers are packed together.

The entries of an image are in their order with channels last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ..layers.core import bitmask as mask

TOGETHER = 2**20  # entries


def packed(masks: Sequence[Tensor]) -> Tensor:
    """Masks [*] bool, without gaps in memory, one after the other → bits."""
    rows = [m.as_strided((m.numel(),), (1,)) for m in masks]
    return mask.packed(rows[0] if len(rows) == 1 else torch.cat(rows))


def unpacked(bits: Tensor, n: int) -> Tensor:
    """[n] uint8, ones and zeros."""
    return mask.unpacked(bits, (n,)).view(torch.uint8)


def gated(g: Tensor, ones: Tensor, first: int, K: int) -> Tensor:
    """g, K times as many as its mask has, the entries of `ones` from `first` on, times that; in new memory."""
    shape = g.shape if K == 1 else (len(g) // K, *g.shape[1:])
    ones = ones.as_strided(shape, strides(shape), first)
    narrow = g.dtype == torch.bfloat16  # 1 and 0 times the number that its bits are: four times as fast
    g_as = g.view(torch.int16) if narrow else g
    found = ones.to(g_as.dtype)
    if K == 1:
        found.mul_(g_as)
    else:
        mask, found = found, torch.empty_strided(g.shape, strides(g.shape), dtype=g_as.dtype, device=g.device)
        torch.mul(g_as.view(K, *shape), mask, out=found.view(K, *shape))
    return found.view(g.dtype) if narrow else found


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
