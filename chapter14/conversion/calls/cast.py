"""The same values elsewhere: in another dtype, on another device, in other memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layers.core import cast as layer
from ...layers.core.cast import moved
from ..table import stands_for
from .operands import of_numbers


@stands_for("float")
@of_numbers
def float(input: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    return to(input, torch.float32, memory_format=memory_format)


@stands_for("double")
@of_numbers
def double(input: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    return to(input, torch.float64, memory_format=memory_format)


@stands_for("half")
@of_numbers
def half(input: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    return to(input, torch.float16, memory_format=memory_format)


@stands_for("cfloat")
@of_numbers
def cfloat(input: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    return to(input, torch.complex64, memory_format=memory_format)


@stands_for("cdouble")
@of_numbers
def cdouble(input: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    return to(input, torch.complex128, memory_format=memory_format)


@stands_for("bfloat16")
@of_numbers
def bfloat16(input: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    return to(input, torch.bfloat16, memory_format=memory_format)


@stands_for("cuda")
@of_numbers
def cuda(input: Tensor, device: Any = None, non_blocking: bool = False, **kwargs: Any) -> Tensor:
    return to(input, "cuda" if device is None else torch.device("cuda", device) if isinstance(device, int) else device,
              non_blocking=non_blocking, **kwargs)  # fmt: skip


@stands_for("cpu")
@of_numbers
def cpu(input: Tensor, **kwargs: Any) -> Tensor:
    return to(input, "cpu", **kwargs)


@stands_for("type_as")
@of_numbers
def type_as(input: Tensor, other: Tensor) -> Tensor:
    return to(input, other)


@stands_for("type")
@of_numbers
def type(input: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """In a dtype or in a type such as "torch.FloatTensor"; of None, the type's name."""
    if dtype is None:
        return NotImplemented
    like = input.new_empty(0).type(dtype)
    return to(input, like.device, like.dtype, non_blocking=non_blocking)


@stands_for("to")
@of_numbers
def to(
    input: Tensor, *args: Any, device: Any = None, dtype: torch.dtype | None = None, other: Tensor | None = None,
    non_blocking: bool = False, copy: bool = False, memory_format: torch.memory_format | None = None,
) -> Tensor:  # fmt: skip
    """input in the dtype and on the device that are named, or another tensor's; input itself where it is so already."""
    how = [a for a in args if isinstance(a, bool)]
    for a in args:
        if isinstance(a, Tensor):
            other = a
        elif isinstance(a, torch.dtype):
            dtype = a
        elif not isinstance(a, bool) and a is not None:
            device = a
    if other is not None:
        device, dtype = other.device, other.dtype
    dtype = dtype or input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        return NotImplemented  # which has no gradient
    place = input.device if device is None else torch.device(device)
    if place.type == input.device.type and place.index is None:
        place = input.device
    non_blocking, copy = (*how, *(non_blocking, copy)[len(how) :])
    return moved(input, place, dtype, non_blocking, copy, memory_format or torch.preserve_format)


@stands_for("clone")
@of_numbers
def clone(input: Tensor, *, memory_format: torch.memory_format | None = torch.preserve_format) -> Tensor:
    return layer.clone(input, memory_format or torch.preserve_format)


@stands_for("contiguous")
@of_numbers
def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    """input itself, where it is so already."""
    if input.is_contiguous(memory_format=memory_format):
        return input
    return layer.clone(input, memory_format)
