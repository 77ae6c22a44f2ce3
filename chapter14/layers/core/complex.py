"""Complex numbers and their two parts, in the same memory.

    view_as_real     x_out[..., 0] = Re x,  x_out[..., 1] = Im x        L^T: view_as_complex
    view_as_complex  x_out = x[..., 0] + i x[..., 1]                    L^T: view_as_real
    conj             x_out = Re x - i Im x                              L^T: conj

g is complex where x_out is: its parts are the gradients of the parts, as in autograd.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...layer.base import LinearMap, conj


class ViewAsReal(LinearMap):
    view = True

    @staticmethod
    def forward(x):
        return torch.view_as_real(x.resolve_conj())

    @staticmethod
    def transpose(g, shape):
        return view_as_complex(g)


class ViewAsComplex(LinearMap):
    view = True

    @staticmethod
    def forward(x):
        return torch.view_as_complex(x if x.stride(-1) == 1 else x.contiguous())

    @staticmethod
    def transpose(g, shape):
        return view_as_real(g)


def view_as_real(x: Tensor) -> Tensor:
    """Complex x [*] → its parts [*, 2], as `torch.view_as_real`."""
    return ViewAsReal.of(x)


def view_as_complex(x: Tensor) -> Tensor:
    """The parts x [*, 2] → complex [*], as `torch.view_as_complex`."""
    return ViewAsComplex.of(x)


def conjugates(*tensors: Tensor | None) -> tuple[Any, ...]:
    """The conjugate of each; None for None."""
    return tuple(None if x is None else conj(x) for x in tensors)


def real_dtype(x: Tensor) -> torch.dtype:
    """The dtype of |x|, as `x.dtype.to_real()`, which Dynamo does not trace."""
    return x.real.dtype if x.is_complex() else x.dtype
