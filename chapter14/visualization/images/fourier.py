"""An image as Fourier coefficients: Fourier, whose amplitudes are free, and MACO, which has those of photographs.

    Fourier     x = F s θ               θ [B, C, H, W], s(k) = 1 / |k|: coarse shapes move faster
    MACO        x = C F A exp(iπ|k| θ)  θ [B, C, H, W], of which the left W//2 + 1 columns count

F is the inverse Fourier transform; `Fourier` uses the real one, Hartley's, which has a coefficient for each pixel.
MACO, magnitude constrained optimization: Fel et al., "Unlocking Feature Visualization for Deeper Networks with
MAgnitude Constrained Optimization", 2023, arXiv:2306.06805.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ... import functional as F
from ...layers.spectral.image_fft import hartley, irfft2, rfft2
from .colour import from_components, to_components
from .image import LinearImage
from .spectrum import SPECTRUM, frequencies, natural_amplitudes


@dataclass(frozen=True)
class Fourier(LinearImage):
    """Fourier coefficients scaled by 1 / frequency^decay. With `width`, only for pictures of that width."""

    width: int | None = None
    noise: float = 0.1
    path_length: float = 0.5
    channels: int = 3
    decay: float = 1.0

    def parameters(self, x: Tensor) -> Tensor:
        return F.mul(hartley(x), 1 / self._scales(x))

    def picture(self, theta: Tensor) -> Tensor:
        return hartley(F.mul(theta, self._scales(theta)))

    def _scales(self, like: Tensor) -> Tensor:
        """s [H, W]: 1 for one cycle per picture, and for the mean, which has no frequency."""
        H, W = like.shape[-2:]
        if self.width not in (None, W):
            raise ValueError(f"Fourier({self.width}): expects pictures {self.width} pixels wide; this is {H} x {W}.")
        return _scales(H, W, self.decay, like.dtype, like.device)


@functools.lru_cache(maxsize=8)
def _scales(H: int, W: int, decay: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    y, x = torch.fft.fftfreq(H, dtype=torch.float64), torch.fft.fftfreq(W, dtype=torch.float64)
    k = (torch.hypot(y[:, None], x) * max(H, W)).clamp(min=1)
    return (k**-decay).to(device, dtype)


@dataclass(frozen=True)
class MACO:
    """The phases of Fourier coefficients with the amplitudes of photographs. Starts from the phases of a photograph.

    θ is the displacement of a wave, 1 being half the picture: so a step moves fine waves as far as coarse ones. Normal
    noise in θ gives almost uniform phases.

    spectrum: the amplitudes, a file that scripts/measure_spectrum.py wrote.
    """

    noise: float = 0.4
    path_length: float = 2.0
    channels: int = 3
    spectrum: Path = SPECTRUM

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"MACO: it has three channels or one; it was given channels={self.channels}.")

    def parameters(self, x: Tensor) -> Tensor:
        A = natural_amplitudes(x, self.spectrum)
        re, im = rfft2(to_components(x)).unbind(-1)
        phi = torch.where(_is_real(x), torch.acos((re / A).clamp(-1, 1)), torch.atan2(im, re))
        return torch.nn.functional.pad(phi / _phase_scale(x), (0, x.shape[-1] - phi.shape[-1]))

    def picture(self, theta: Tensor) -> Tensor:
        phi = self._phases(theta)
        return self._picture(theta, F.cos(phi), F.sin(phi))

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        phi, d = self._phases(theta), self._phases(change)
        return self._picture(theta, F.mul(F.mul(F.sin(phi), -1), d), F.mul(F.cos(phi), d))

    def _phases(self, theta: Tensor) -> Tensor:
        return F.mul(F.narrow(theta, 3, 0, theta.shape[-1] // 2 + 1), _phase_scale(theta))

    def _picture(self, theta: Tensor, re: Tensor, im: Tensor) -> Tensor:
        A = natural_amplitudes(theta, self.spectrum)
        return from_components(irfft2(F.mul(F.stack((re, im), -1), A[..., None]), theta.shape[-1]))


def _phase_scale(x: Tensor) -> Tensor:
    """π|k| [H, W//2 + 1]."""
    return math.pi * frequencies(*x.shape[-2:]).to(x)


def _is_real(x: Tensor) -> Tensor:
    """Which coefficients of a real x [..., H, W] are real, [H, W//2 + 1]: those that are their own conjugate."""
    H, W = x.shape[-2:]
    rows, columns = ((torch.arange(n, device=x.device) * 2 % n == 0) for n in (H, W))
    return rows[:, None] & columns[: W // 2 + 1]
