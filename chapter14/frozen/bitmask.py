"""The masks of relu, one bit an entry: those of small layers are packed together.

An image's entries are in channels-last order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ..layers.core import bitmask

#: Masks share a pack of up to this many entries.
PACK = 2**20


def packed(masks: Sequence[Tensor]) -> Tensor:
    """Masks [*] bool, each without gaps in memory → one row of bits."""
    rows = [m.as_strided((m.numel(),), (1,)) for m in masks]
    return bitmask.packed(rows[0] if len(rows) == 1 else torch.cat(rows))


def unpacked(bits: Tensor, n: int) -> Tensor:
    """The n entries of a pack: [n] uint8, ones and zeros."""
    return bitmask.unpacked(bits, (n,)).view(torch.uint8)


def masked(g: Tensor, ones: Tensor, first: int, K: int) -> Tensor:
    """g times its mask, in new memory. It starts at `ones[first]`, and applies to each of K equal parts of g."""
    shape = g.shape if K == 1 else (len(g) // K, *g.shape[1:])
    ones = ones.as_strided(shape, strides(shape), first)
    is_bfloat16 = g.dtype == torch.bfloat16  # its bits as an integer times 1 or 0: four times as fast
    g_as = g.view(torch.int16) if is_bfloat16 else g
    mask = ones.to(g_as.dtype)
    if K == 1:
        found = mask.mul_(g_as)
    else:
        found = torch.empty_strided(g.shape, strides(g.shape), dtype=g_as.dtype, device=g.device)
        torch.mul(g_as.view(K, *shape), mask, out=found.view(K, *shape))
    return found.view(g.dtype) if is_bfloat16 else found


def positions(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """For each mask, of these sizes: the index of its pack, and that of its first entry in the pack."""
    pack, n = 0, 0
    for size in sizes:
        if n and n + size > PACK:
            pack, n = pack + 1, 0
        yield pack, n
        n += size


def strides(shape: Sequence[int]) -> Sequence[int]:
    """The strides of a tensor without gaps in memory; an image is channels-last."""
    if len(shape) == 4:
        _, C, H, W = shape
        return H * W * C, 1, W * C, C
    found, n = [1] * len(shape), 1
    for axis in range(len(shape) - 1, -1, -1):
        found[axis], n = n, n * shape[axis]
    return found
