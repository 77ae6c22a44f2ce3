"""Fourier transforms of real images, as linear maps.

    irfft2    x_out[p] = 1/√(HW) Re sum_k c_k S[k] exp(2πi k·p)          spectrum in, image out
    rfft2     S[k] = 1/√(HW) sum_p x_in[p] exp(-2πi k·p)                 its inverse
    hartley   x_out[k] = 1/√(HW) sum_p x_in[p] (cos + sin)(2π k·p)       its own inverse, and its own transpose

A spectrum is real: [..., H, W//2 + 1, 2], the two parts of each coefficient last; and it is half of one, since the
other half is its conjugate. So c_k is 2 where a column stands for two, else 1, and that is all by which each map
differs from the other's transpose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer import LinearMap
from ..core.arithmetic import times


class Irfft2(LinearMap):
    @staticmethod
    def forward(spectrum, width):
        size = (spectrum.shape[-3], width)
        return torch.fft.irfft2(torch.view_as_complex(spectrum.contiguous()), s=size, norm="ortho")

    @staticmethod
    def transpose(g, shape, width):
        return times(rfft2(g), _stands_for(width, g))


class Rfft2(LinearMap):
    @staticmethod
    def forward(x):
        return torch.view_as_real(torch.fft.rfft2(x, norm="ortho"))

    @staticmethod
    def transpose(g, shape):
        return irfft2(times(g, 1 / _stands_for(shape[-1], g)), shape[-1])


class Hartley(LinearMap):
    """Waves without complex numbers: as many coefficients as pixels, [..., H, W], and none of them told by another."""

    @staticmethod
    def forward(x):
        S = torch.fft.fft2(x, norm="ortho")
        return S.real - S.imag

    @staticmethod
    def transpose(g, shape):
        return hartley(g)


def _stands_for(width: int, like: Tensor) -> Tensor:
    """c_k, for each column: [W//2 + 1, 1]. The first stands for itself, and so does the last of an even width."""
    c = like.new_full((width // 2 + 1, 1), 2)
    c[0] = 1
    if width % 2 == 0:
        c[-1] = 1
    return c


def irfft2(spectrum: Tensor, width: int) -> Tensor:
    """Spectrum [..., H, W//2 + 1, 2] → image [..., H, W], as `torch.fft.irfft2` with `norm="ortho"`."""
    return Irfft2.of(spectrum, width)


def rfft2(x: Tensor) -> Tensor:
    """Image [..., H, W] → spectrum [..., H, W//2 + 1, 2], as `torch.fft.rfft2` with `norm="ortho"`."""
    return Rfft2.of(x)


def hartley(x: Tensor) -> Tensor:
    """Image [..., H, W] → its coefficients [..., H, W], in the order of `torch.fft.fft2`; and back."""
    return Hartley.of(x)
