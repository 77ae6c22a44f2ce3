"""The same values in another dtype, on another device, in other memory; complex tensors and their parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.cast import clone, moved
from ...layers.core.complex import ViewAsComplex, conj, view_as_real
from .operands import by_name, of_numbers


def _in(dtype: torch.dtype) -> Callable[..., Tensor]:
    """The method of Tensor that bears the name of a dtype."""
    return lambda input, memory_format=torch.preserve_format: to(input, dtype, memory_format=memory_format)


def cuda(input: Tensor, device: Any = None, non_blocking: bool = False, **kwargs: Any) -> Tensor:
    return to(input, "cuda" if device is None else torch.device("cuda", device) if isinstance(device, int) else device,
              non_blocking=non_blocking, **kwargs)  # fmt: skip


def type(input: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """`dtype` is a dtype or a type such as "torch.FloatTensor"; without it, torch returns the name of the type."""
    if dtype is None:
        return NotImplemented
    like = input.new_empty(0).type(dtype)
    return to(input, like.device, like.dtype, non_blocking=non_blocking)


def to(
    input: Tensor, *args: Any, device: Any = None, dtype: torch.dtype | None = None, other: Tensor | None = None,
    non_blocking: bool = False, copy: bool = False, memory_format: torch.memory_format | None = None,
) -> Tensor:  # fmt: skip
    """input in the dtype and on the device that are given, or those of a tensor; input itself where nothing changes."""
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
        return NotImplemented  # it has no gradient
    place = input.device if device is None else torch.device(device)
    if place.type == input.device.type and place.index is None:
        place = input.device
    non_blocking, copy = (*how, *(non_blocking, copy)[len(how) :])
    return moved(input, place, dtype, non_blocking, copy, memory_format or torch.preserve_format)


def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    return input if input.is_contiguous(memory_format=memory_format) else clone(input, memory_format)


def view_as_complex(input: Tensor) -> Tensor:
    torch.view_as_complex(input.detach())  # for torch's errors about shape and strides
    return ViewAsComplex.of(input)


def imag(input: Tensor) -> Tensor:
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return F.select(view_as_real(input), -1, 1)


def from_parts(real: Tensor, imag: Tensor) -> Tensor:
    if real.dtype != imag.dtype or not real.is_floating_point():
        raise RuntimeError(f"complex: expected two tensors of one floating-point dtype, got {real.dtype}, {imag.dtype}")
    shape = torch.broadcast_shapes(real.shape, imag.shape)
    return ViewAsComplex.of(F.stack([F.broadcast_to(real, shape), F.broadcast_to(imag, shape)], -1))


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    if abs.dtype != angle.dtype or not abs.is_floating_point():
        raise RuntimeError(f"polar: expected two tensors of one floating-point dtype, got {abs.dtype}, {angle.dtype}")
    return from_parts(F.mul(abs, F.cos(angle)), F.mul(abs, F.sin(angle)))


def mH(input: Tensor) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"tensor.mH is only supported on matrices or batches of matrices. Got {input.ndim}-D.")
    return conj(F.transpose(input, -2, -1))


def H(input: Tensor) -> Tensor:
    if input.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.")
    return conj(F.transpose(input, 0, -1) if input.ndim else input)


CALLS = of_numbers(by_name(contiguous, cuda, to, type) | {
    "half": _in(torch.float16),
    "bfloat16": _in(torch.bfloat16),
    "float": _in(torch.float32),
    "double": _in(torch.float64),
    "cfloat": _in(torch.complex64),
    "cdouble": _in(torch.complex128),
    "cpu": lambda input, **kwargs: to(input, "cpu", **kwargs),
    "type_as": lambda input, other: to(input, other),
    "clone": lambda input, *, memory_format=None: clone(input, memory_format or torch.preserve_format),
}) | by_name(H, imag, polar, view_as_complex, view_as_real) | {
    "real": lambda input: F.select(view_as_real(input), -1, 0) if input.is_complex() else input,
    "complex": from_parts,
    "conj conj_physical": conj,
    "mH adjoint": mH,
}  # fmt: skip
