"""Small numbers, several to a byte: which entries a layer let through, and where in its window each maximum was.

    code [n], each below 2^width  →  [⌈n / per⌉] uint8, per = 8 / width entries a byte

Byte j has the entries j, j + ⌈n/per⌉, j + 2⌈n/per⌉, ...: each of its parts is then one long row, which a processor
reads at once.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def packed(code: Tensor, width: int) -> Tensor:
    """code [n] uint8 or bool → [⌈n / per⌉] uint8."""
    code, per = code.view(torch.uint8), 8 // width
    if missing := -len(code) % per:
        code = torch.nn.functional.pad(code, (0, missing))
    return (code.view(per, -1) * _places(width, code.device)).sum(0, dtype=torch.uint8)


def unpacked(bits: Tensor, n: int, width: int) -> Tensor:
    """What was packed: [n] uint8."""
    if width == 1:  # a place's value, and then whether it is 0: faster than to shift
        return (bits & _places(width, bits.device)).bool().view(torch.uint8).view(-1)[:n]
    low = torch.full((), 2**width - 1, dtype=torch.uint8, device=bits.device)
    return torch.stack([bits.bitwise_right_shift(place) & low for place in range(0, 8, width)]).view(-1)[:n]


def size(n: int, width: int) -> int:
    """The bytes that n entries take."""
    return -(-n * width // 8)


@functools.cache
def _places(width: int, device: torch.device) -> Tensor:
    """The value of each place in a byte: [per, 1]."""
    return torch.tensor([[2**place] for place in range(0, 8, width)], dtype=torch.uint8, device=device)
