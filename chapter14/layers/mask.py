"""Which entries a layer lets through: a mask of ones and zeros, kept in one bit an entry.

    bits = packed(mask)                [*] bool → [⌈n/8⌉] uint8, eight entries a byte
    mask = unpacked(bits, shape)       and back
    g_in = gated(g, bits)              g where the mask is, else 0

Where a bit saves nothing worth the while (a small mask), where the entries do not lie in their order, and where there
is no memory to look at (traced or batched), `packed` gives the mask back as it is, a byte an entry; the others take
that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..layer import _compiling, _transformed
from ..recorder import AT_WORK, as_one, recorder

#: Of fewer entries, packing takes longer than the layer: some microseconds, there and back.
SMALL = 2**12

_traced = torch._C._len_torch_dispatch_stack


def is_plain(x: Tensor) -> bool:
    """Whether x is its memory, and not what stands for it where something is compiled, batched or traced."""
    return type(x) is Tensor and not (_compiling() or _transformed() or _traced())


@as_one
def packed(mask: Tensor) -> Tensor:
    """A bool mask [*] in bits, or itself."""
    if mask.numel() < SMALL or not mask.is_contiguous() or not is_plain(mask):
        return mask
    return torch.from_numpy(np.packbits(mask.numpy())) if mask.device.type == "cpu" else by_shifts(mask)


@as_one
def unpacked(bits: Tensor, shape: Sequence[int]) -> Tensor:
    """The bool mask of that shape that `packed` was given."""
    return bits if bits.dtype == torch.bool else _bytes(bits, shape).view(torch.bool)


def gated(g: Tensor, bits: Tensor) -> Tensor:
    """g where the mask is, else 0; in plain operations, and in memory of its own."""
    m = bits.view(torch.uint8) if bits.dtype == torch.bool else _bytes(bits, g.shape)
    return m.to(g.dtype).mul_(g)


def _bytes(bits: Tensor, shape: Sequence[int]) -> Tensor:
    n = torch.Size(shape).numel()
    if bits.device.type == "cpu" and is_plain(bits):  # numpy's are several times faster than shifts
        return torch.from_numpy(np.unpackbits(bits.numpy(), count=n)).view(shape)
    return from_shifts(bits, n).view(shape)


def by_shifts(mask: Tensor) -> Tensor:
    """As numpy's packbits: of eight entries, the first is the highest bit."""
    row = torch.nn.functional.pad(mask.reshape(-1).view(torch.uint8), (0, -mask.numel() % 8))
    return (row.view(-1, 8) << _places(mask)).sum(-1, dtype=torch.uint8)


def from_shifts(bits: Tensor, n: int) -> Tensor:
    return (bits[:, None] >> _places(bits) & 1).view(-1)[:n]


def _places(like: Tensor) -> Tensor:
    return torch.arange(7, -1, -1, dtype=torch.uint8, device=like.device)


def learns(x: Tensor) -> bool:
    """Whether one of the last layers has a parameter that wants a gradient: an input other than its first, a leaf.

    Then the layers behind are likely to have one too, and to keep their x_in. A recorder has no graph behind x.
    """
    return not (AT_WORK and recorder() is not None) and _learns(x.grad_fn, 3)


def _learns(node: Any, layers: int) -> bool:
    if node is None or not layers:
        return False
    before = [earlier for earlier, _ in node.next_functions]
    return any(map(_is_parameter, before[1:])) or any(_learns(earlier, layers - 1) for earlier in before)


def _is_parameter(node: Any) -> bool:
    """A leaf, or one by itself in another dtype or shape."""
    if node is None:
        return False
    return hasattr(node, "variable") or [hasattr(leaf, "variable") for leaf, _ in node.next_functions] == [True]
