"""Large tensors in blocks that fit in a processor's cache.

A backward pass of several plain operations reads and writes memory once for each; block by block, once in all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

#: Entries in a block: in float32 a megabyte.
BLOCK = 2**18


def row_blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The tensors in pieces along their first axis, each of one block's rows; whole where they are on a GPU."""
    first = tensors[0]
    if first.numel() <= BLOCK or first.device.type != "cpu":
        return iter((tensors,))
    rows = max(1, BLOCK * len(first) // first.numel())
    return zip(*(t.split(rows) for t in tensors), strict=True)


def by_block(h_prime: Callable[..., Tensor]) -> Callable[..., tuple]:
    """`backward_once` of a pointwise layer, g_in = g h' (14.33), block by block, from h' of x and constants."""

    @functools.wraps(h_prime)
    def backward_once(needs, g, x, *constants):
        rest = [None] * len(constants)
        if x.numel() <= BLOCK or x.device.type != "cpu" or not (x.is_contiguous() and g.is_contiguous()):
            return h_prime(x, *constants).mul_(g), *rest
        g_in = torch.empty_like(x)
        for into, g_block, x_block in zip(*(t.view(-1).split(BLOCK) for t in (g_in, g, x)), strict=True):
            torch.mul(h_prime(x_block, *constants), g_block, out=into)
        return g_in, *rest

    return backward_once
