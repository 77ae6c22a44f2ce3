"""Fourier transforms of complex and of real tensors along some axes: torch.fft. Each is linear, and g_in = L^H g_out.

    fft     X[k] = s sum_p x[p] exp(-2πi k·p/n)           L^H: the inverse, with the same s
    rfft    half of the fft of a real x                    L^H: irfft of g / c, with the same s
    irfft   its inverse                                    L^H: c rfft of g, with the same s

s is 1, 1/√n or 1/n, by `norm`. rfft returns half of the last axis, because the other half is its conjugate: c is 2
where a coefficient stands for two, else 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import LinearMap, cast
from ..core.arithmetic import times

#: The s of a forward transform with norm="backward" is that of an inverse transform with norm="forward": 1.
TURNED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

#: Tables, because torch.compile traces neither `dtype.to_complex` nor `dtype.to_real`.
COMPLEX = {
    torch.bfloat16: torch.complex64,
    torch.float16: torch.complex32,
    torch.float32: torch.complex64,
    torch.float64: torch.complex128,
}
REAL = {**{dtype: dtype for dtype in COMPLEX}, **{dtype: real for real, dtype in COMPLEX.items()}}


class Fft(LinearMap):
    autocast = "float32"

    @staticmethod
    def forward(x, dims, norm, inverse):
        return (torch.fft.ifftn if inverse else torch.fft.fftn)(x, dim=dims, norm=norm)

    @staticmethod
    def transpose(g, shape, dims, norm, inverse):
        return Fft.of(g, dims, TURNED[norm], not inverse)


class Rfft(LinearMap):
    autocast = "float32"

    @staticmethod
    def forward(x, dims, norm):
        return torch.fft.rfftn(x, dim=dims, norm=norm)

    @staticmethod
    def transpose(g, shape, dims, norm):
        n = shape[dims[-1]]
        return Irfft.of(times(g, 1 / _stands_for(n, g, dims[-1])), dims, TURNED[norm], n)


class Irfft(LinearMap):
    """n is the size of x_out's last axis; x_in's has n // 2 + 1."""

    autocast = "float32"

    @staticmethod
    def forward(x, dims, norm, n):
        return torch.fft.irfftn(x, s=[x.shape[d] for d in dims[:-1]] + [n], dim=dims, norm=norm)

    @staticmethod
    def transpose(g, shape, dims, norm, n):
        return times(Rfft.of(g, dims, TURNED[norm]), _stands_for(n, g, dims[-1]))


def _stands_for(n: int, like: Tensor, dim: int) -> Tensor:
    """c, along one axis: 1 for the first coefficient, and for the last if n is even."""
    c = torch.full((n // 2 + 1,), 2, dtype=REAL[like.dtype], device=like.device)
    c[0] = 1
    if n % 2 == 0:
        c[-1] = 1
    return c.view(-1, *(1 for _ in range(like.ndim - 1 - dim)))


def fft(x: Tensor, dims: tuple[int, ...], norm: str, inverse: bool = False) -> Tensor:
    """Complex x → its transform along these axes, as `torch.fft.fftn`, or `torch.fft.ifftn`."""
    return Fft.of(x, dims, norm, inverse)


def rfft(x: Tensor, dims: tuple[int, ...], norm: str) -> Tensor:
    """Real x → half of its transform, as `torch.fft.rfftn`."""
    return Rfft.of(x, dims, norm)


def irfft(x: Tensor, dims: tuple[int, ...], norm: str, n: int) -> Tensor:
    """Complex x, half of a transform → real, with n entries along the last of the axes, as `torch.fft.irfftn`."""
    return Irfft.of(x, dims, norm, n)


def as_complex(x: Tensor) -> Tensor:
    """x as complex numbers. The gradient of a real x is real."""
    return x if x.is_complex() else cast(cast(x, REAL[COMPLEX[x.dtype]]), COMPLEX[x.dtype])
