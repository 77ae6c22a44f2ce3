"""Fourier transforms of real images, as linear maps.

    irfft2    x_out[p] = 1/√(HW) Re sum_k c_k S[k] exp(2πi k·p)          spectrum in, image out
    rfft2     S[k] = 1/√(HW) sum_p x_in[p] exp(-2πi k·p)                 its inverse
    hartley   x_out[k] = 1/√(HW) sum_p x_in[p] (cos + sin)(2π k·p)       its own inverse, and its own transpose

A spectrum is real: [..., H, W//2 + 1, 2], with the two parts of each coefficient last. It is half of one, because the
other half is its conjugate: c_k is 2 where a column stands for two, else 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.complex import view_as_complex, view_as_real
from ..core.linear_maps import SymmetricMap
from .fft import irfft, rfft


class Hartley(SymmetricMap):
    """Waves without complex numbers: as many coefficients as pixels, [..., H, W], all of them independent."""

    @staticmethod
    def forward(x):
        S = torch.fft.fft2(x, norm="ortho")
        return S.real - S.imag


def irfft2(spectrum: Tensor, width: int) -> Tensor:
    """Spectrum [..., H, W//2 + 1, 2] → image [..., H, W], as `torch.fft.irfft2` with `norm="ortho"`."""
    S = view_as_complex(spectrum)
    return irfft(S, (S.ndim - 2, S.ndim - 1), "ortho", width)


def rfft2(x: Tensor) -> Tensor:
    """Image [..., H, W] → spectrum [..., H, W//2 + 1, 2], as `torch.fft.rfft2` with `norm="ortho"`."""
    return view_as_real(rfft(x, (x.ndim - 2, x.ndim - 1), "ortho"))


def hartley(x: Tensor) -> Tensor:
    """Image [..., H, W] → its coefficients [..., H, W], in the order of `torch.fft.fft2`; and the inverse."""
    return Hartley.of(x)
