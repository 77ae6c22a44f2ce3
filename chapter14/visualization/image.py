"""An image as parameters θ: what gradient descent on the data descends in (14.9).

    Pixels          x = θ                       θ [B, 3, H, W]
    Fourier         x = irfft2(s θ)             θ [B, 3, H, W//2 + 1, 2], s ~ 1 / frequency: coarse shapes move first
    Decorrelated    x = C θ, pixel by pixel     brightness moves first, then colours

x is a layer's output, so dJ/dθ = dJ/dx L^θ, (14.8). s and C are how photographs vary: what varies most moves most.
Entries of x from -1 to 1 are colours; on its way x may leave them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from .. import functional as F
from ..layers.fourier import irfft2, rfft2

#: The principal axes of the colours of the photographs that the embedded network was trained on, as columns, the
#: longest of length 1: brightness, red against blue, green against magenta.
COLOURS = torch.tensor([[0.57, 0.18, 0.05], [0.58, 0.00, -0.10], [0.59, -0.18, 0.05]])


class Image(Protocol):
    """A way to have a picture x [B, 3, H, W] as parameters θ.

    A descent begins with noise in θ whose picture has the standard deviation `noise`, and leads `way` far, in units of
    the distance from white noise to a photograph.
    """

    channels: ClassVar[int]

    @property
    def noise(self) -> float: ...

    @property
    def way(self) -> float: ...

    def parameters(self, x: Tensor) -> Tensor:
        """x → the θ whose picture it is."""

    def picture(self, theta: Tensor) -> Tensor:
        """θ → x."""

    def moved(self, theta: Tensor, change: Tensor) -> Tensor:
        """How far x moves where θ does by a small `change`: L^θ change."""


class Linear:
    """A picture that is linear in its parameters."""

    channels: ClassVar[int] = 3

    def picture(self, theta: Tensor) -> Tensor:
        raise NotImplementedError

    def moved(self, theta: Tensor, change: Tensor) -> Tensor:
        return self.picture(change)


@dataclass(frozen=True)
class Pixels(Linear):
    noise: float = 0.8
    way: float = 0.9

    def parameters(self, x: Tensor) -> Tensor:
        return x

    def picture(self, theta: Tensor) -> Tensor:
        return theta


@dataclass(frozen=True)
class Fourier(Linear):
    """For pictures of `width` pixels, whose amplitudes fall off as 1 / frequency."""

    width: int
    noise: float = 0.1
    way: float = 0.3

    def parameters(self, x: Tensor) -> Tensor:
        return F.times(rfft2(x), 1 / self._amplitudes(x.shape[-2], x))

    def picture(self, theta: Tensor) -> Tensor:
        return irfft2(F.times(theta, self._amplitudes(theta.shape[-3], theta)), self.width)

    def _amplitudes(self, height: int, like: Tensor) -> Tensor:
        """s [H, W//2 + 1, 1]: 1 for a wave as long as the picture and for the mean, which has none."""
        y = torch.fft.fftfreq(height, 1 / height, device=like.device)[:, None]
        x = torch.fft.rfftfreq(self.width, 1 / self.width, device=like.device)
        return (1 / torch.hypot(y, x).clamp(min=1)).to(like.dtype)[..., None]


@dataclass(frozen=True)
class Decorrelated(Linear):
    """`image`, with the three channels of its picture as amounts of COLOURS."""

    image: Image
    noise: float = 0.1
    way: float = 0.3

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(_recoloured(x, torch.linalg.inv(COLOURS)))

    def picture(self, theta: Tensor) -> Tensor:
        return _recoloured(self.image.picture(theta), COLOURS)


def _recoloured(x: Tensor, C: Tensor) -> Tensor:
    return F.conv2d(x, C.to(x)[:, :, None, None])
