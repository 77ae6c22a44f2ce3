"""The same values in other memory, in another dtype, or on another device. L is the identity.

clone(x) = x        moved(x) = x
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import LinearMap, real
from .linear_maps import Copy


class Move(LinearMap):
    """`back` is x's own device and dtype, to which g is moved."""

    title = "moved"

    @staticmethod
    def forward(x, device, dtype, how, back):
        return x.to(device=device, dtype=dtype, **dict(how))

    @staticmethod
    def transpose(g, shape, device, dtype, how, back):
        return moved(g if back[1].is_complex else real(g), *back)


def clone(x: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """A copy of x, as `torch.clone`."""
    return Copy.of(x, memory_format)


def moved(
    x: Tensor, device: torch.device, dtype: torch.dtype, non_blocking: bool = False, copy: bool = False,
    memory_format: torch.memory_format = torch.preserve_format,
) -> Tensor:  # fmt: skip
    """x on this device in this dtype, as `torch.Tensor.to`; x itself where nothing changes."""
    as_asked = memory_format == torch.preserve_format or x.is_contiguous(memory_format=memory_format)
    if (x.device, x.dtype) == (device, dtype) and as_asked and not copy:
        return x
    how = (("non_blocking", non_blocking), ("copy", copy), ("memory_format", memory_format))
    return Move.of(x, device, dtype, how, (x.device, x.dtype))
