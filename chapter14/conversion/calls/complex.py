"""Complex tensors and their parts, as torch calls them."""

from __future__ import annotations

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.complex import ViewAsComplex, ViewAsReal
from ..table import stands_for


@stands_for("view_as_real")
def view_as_real(input: Tensor) -> Tensor:
    return ViewAsReal.of(input)


@stands_for("view_as_complex")
def view_as_complex(input: Tensor) -> Tensor:
    torch.view_as_complex(input.detach())  # torch's own errors, of shape and strides
    return ViewAsComplex.of(input)


@stands_for("real")
def real(input: Tensor) -> Tensor:
    return F.select(ViewAsReal.of(input), -1, 0) if input.is_complex() else input


@stands_for("imag")
def imag(input: Tensor) -> Tensor:
    if not input.is_complex():
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return F.select(ViewAsReal.of(input), -1, 1)


@stands_for("complex")
def of_parts(real: Tensor, imag: Tensor) -> Tensor:
    if real.dtype != imag.dtype or not real.is_floating_point():
        raise RuntimeError(f"complex: expected two tensors of one floating-point dtype, got {real.dtype}, {imag.dtype}")
    shape = torch.broadcast_shapes(real.shape, imag.shape)
    return ViewAsComplex.of(F.stack([F.broadcast_to(real, shape), F.broadcast_to(imag, shape)], -1))


@stands_for("polar")
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    if abs.dtype != angle.dtype or not abs.is_floating_point():
        raise RuntimeError(f"polar: expected two tensors of one floating-point dtype, got {abs.dtype}, {angle.dtype}")
    return of_parts(F.mul(abs, F.cos(angle)), F.mul(abs, F.sin(angle)))


@stands_for("conj", "conj_physical")
def conj(input: Tensor) -> Tensor:
    return F.conj(input)


@stands_for("mH", "adjoint")
def of_matrices(input: Tensor) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"tensor.mH is only supported on matrices or batches of matrices. Got {input.ndim}-D.")
    return conj(F.transpose(input, -2, -1))


@stands_for("H")
def conjugate_transposed(input: Tensor) -> Tensor:
    if input.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.")
    return conj(F.transpose(input, 0, -1) if input.ndim else input)
