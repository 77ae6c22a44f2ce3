"""A bool mask saved for the backward pass in one bit an entry.

    bits = packed(mask)                [*] bool → [⌈n/8⌉] uint8, eight entries a byte
    mask = unpacked(bits, shape)       the inverse
    g_in = gated(g, bits)              g where the mask is True, else 0
    x_out = selected(x, mask)          the same, of the mask itself

A mask that is small, not contiguous, traced or batched is not packed: `packed` returns it as it is, a byte an entry,
and the others take that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

from ...layer.modes import compiling, transformed
from ...layer.recorder import AT_WORK, as_one, recorder

#: Masks of fewer entries are not packed: that would take longer than the layer itself.
SMALL = 2**12

_traced = torch._C._len_torch_dispatch_stack


def is_plain(x: Tensor) -> bool:
    """Whether x is a plain tensor in memory, neither compiled, batched nor traced."""
    return type(x) is Tensor and not (compiling() or transformed() or _traced())


@as_one
def packed(mask: Tensor) -> Tensor:
    """A bool mask [*] in bits, or the mask itself."""
    if mask.numel() < SMALL or not mask.is_contiguous() or not is_plain(mask):
        return mask
    return torch.from_numpy(np.packbits(mask.numpy())) if mask.device.type == "cpu" else by_shifts(mask)


@as_one
def unpacked(bits: Tensor, shape: Sequence[int]) -> Tensor:
    """The bool mask, of that shape, that was given to `packed`."""
    return bits if bits.dtype == torch.bool else _bytes(bits, shape).view(torch.bool)


def gated(g: Tensor, bits: Tensor) -> Tensor:
    """g where the mask is True, else 0, in new memory; not a layer."""
    return selected(g, bits if bits.dtype == torch.bool else _bytes(bits, g.shape).view(torch.bool))


#: By the size of a float, the integer dtype of that size.
_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def selected(x: Tensor, mask: Tensor) -> Tensor:
    """x where the bool mask is True, else 0, even where x is NaN or infinite.

    On a CPU, large tensors are multiplied by 1 or 0 as integers, which is several times faster than `where`.
    """
    fast = x.numel() >= SMALL and x.shape == mask.shape and x.is_floating_point() and x.device.type == "cpu"
    if not fast or not is_plain(x) or not is_plain(mask) or is_legacy_batchedtensor(x):
        return torch.where(mask, x, x.new_zeros(()))
    integer = _INTEGERS[x.element_size()]
    return mask.view(torch.uint8).to(integer).mul_(x.view(integer)).view(x.dtype)


def _bytes(bits: Tensor, shape: Sequence[int]) -> Tensor:
    n = torch.Size(shape).numel()
    if bits.device.type == "cpu" and is_plain(bits):  # numpy is several times faster than shifts
        return torch.from_numpy(np.unpackbits(bits.numpy(), count=n)).view(shape)
    return from_shifts(bits, n).view(shape)


def by_shifts(mask: Tensor) -> Tensor:
    """As numpy's packbits: the first of eight entries is the highest bit."""
    row = torch.nn.functional.pad(mask.reshape(-1).view(torch.uint8), (0, -mask.numel() % 8))
    return (row.view(-1, 8) << _places(mask)).sum(-1, dtype=torch.uint8)


def from_shifts(bits: Tensor, n: int) -> Tensor:
    return (bits[:, None] >> _places(bits) & 1).view(-1)[:n]


def _places(like: Tensor) -> Tensor:
    return torch.arange(7, -1, -1, dtype=torch.uint8, device=like.device)


def learns(x: Tensor) -> bool:
    """Whether one of the last three layers before x has a weight that requires a gradient.

    That is an input, other than its first, that is a leaf of two axes or more: dJ/dW is a product with x_in. Then the
    layers after x are likely to have one too, and so to save their x_in. A bias or the w of a norm is no such weight.
    """
    if AT_WORK and (listening := recorder()) is not None:  # then x has no graph
        return listening.learns(x)
    return _learns(x.grad_fn, 3)


def _learns(node: Any, layers: int) -> bool:
    if node is None or not layers:
        return False
    before = [earlier for earlier, _ in node.next_functions]
    return any(map(_is_weight, before[1:])) or any(_learns(earlier, layers - 1) for earlier in before)


def _is_weight(node: Any) -> bool:
    """Whether the node is a leaf of two axes or more, or such a leaf in another dtype or shape."""
    if node is None:
        return False
    if not hasattr(node, "variable") and len(node.next_functions) == 1:
        node = node.next_functions[0][0]
    return hasattr(node, "variable") and node.variable.ndim > 1
