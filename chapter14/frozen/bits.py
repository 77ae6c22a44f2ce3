"""Which entries relu lets through: one bit an entry.

Byte j has the entries j, j + n/8, j + 2n/8, ...: each of the eight places in a byte is one long row of entries, which a
processor takes many at a time. An image's entries are in their order with channels last.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor


def packed(x: Tensor) -> Tensor:
    """x [*] → which entries are not 0, [⌈n/8⌉] uint8; NaN is not. An image lies with channels last."""
    there = x.bool().view(torch.uint8)
    n = there.numel()
    if n % 8:
        row = torch.nn.functional.pad(flat(there), (0, -n % 8)).view(8, -1)
    else:
        row = there.as_strided((8, n // 8), (n // 8, 1))
    return torch.mul(row, _places(x.device)).sum(0, dtype=torch.uint8)


def gated(g: Tensor, bits: Tensor) -> Tensor:
    """g where the bits are, else 0, in new memory; an image with channels last."""
    there = torch.bitwise_and(bits, _places(bits.device)).bool().view(torch.uint8)  # a place's value: faster than to shift
    return there.as_strided(g.shape, strides(g.shape)).to(g.dtype).mul_(g)


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
    """x as one row."""
    return x.permute(0, 2, 3, 1).reshape(-1) if x.ndim == 4 else x.reshape(-1)


@functools.cache
def _places(device: torch.device) -> Tensor:
    """The value of each place in a byte: [8, 1]."""
    return torch.tensor([[2**place] for place in range(8)], dtype=torch.uint8, device=device)
