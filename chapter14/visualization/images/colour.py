"""The channels of an image: decorrelated colours, grey, alpha.

    x = C θ, pixel by pixel         C [3, N], and θ is another image's picture

The first channels of x are its colours; further channels, as alpha, are left unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ... import functional as F
from .image import Image

#: The principal components of the colours of the embedded network's training photographs, as columns, scaled so that
#: the longest has length 1: brightness, red against blue, green against magenta.
COLOURS = torch.tensor([[0.57, 0.18, 0.05], [0.58, 0.00, -0.10], [0.59, -0.18, 0.05]], dtype=torch.float64)
GREY = torch.ones(3, 1, dtype=torch.float64)


def mix_channels(x: Tensor, C: Tensor) -> Tensor:
    """C [M, N] times the first N channels of x [B, N + n, H, W], pixel by pixel → [B, M + n, H, W]."""
    n = x.shape[1] - C.shape[1]
    weight = torch.block_diag(C, torch.eye(n, dtype=C.dtype)) if n else C
    return F.conv2d(x, weight.to(x)[:, :, None, None])


@dataclass(frozen=True)
class WrappedImage:
    """Another image's picture, its channels multiplied by C."""

    image: Image

    @property
    def channels(self) -> int:
        return self.image.channels

    @property
    def noise(self) -> float:
        return self.image.noise

    @property
    def way(self) -> float:
        return self.image.way

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(self.inverse(x))

    def picture(self, theta: Tensor) -> Tensor:
        return self.mix(self.image.picture(theta))

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        return self.mix(self.image.jvp(theta, change))

    def mix(self, x: Tensor) -> Tensor:
        return x

    def inverse(self, x: Tensor) -> Tensor:
        return x


@dataclass(frozen=True)
class Decorrelated(WrappedImage):
    """`image`, with the three channels of its picture as coefficients of COLOURS."""

    def __post_init__(self) -> None:
        if self.channels < 3:
            raise ValueError(f"Decorrelated: colours have three channels; {self.image} has {self.channels}.")

    def mix(self, x: Tensor) -> Tensor:
        return mix_channels(x, COLOURS)

    def inverse(self, x: Tensor) -> Tensor:
        return mix_channels(x, torch.linalg.inv(COLOURS))


@dataclass(frozen=True)
class Grey(WrappedImage):
    """`image`, with one channel of its picture for all three colours; a picture with colours starts from their mean."""

    def mix(self, x: Tensor) -> Tensor:
        return mix_channels(x, GREY)

    def inverse(self, x: Tensor) -> Tensor:
        return mix_channels(x, GREY.mT / 3)


@dataclass(frozen=True)
class Alpha(WrappedImage):
    """`image`, with one more channel: alpha, from -1, transparent, to 1, opaque.

    The transforms must composite it over a background: `Composite()` first. A picture without alpha starts opaque.
    """

    @property
    def channels(self) -> int:
        return self.image.channels + 1

    @property
    def way(self) -> float:
        return 1.5 * self.image.way  # transparency weakens the change that the network sees

    def inverse(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.new_ones(x.shape[0], self.channels - x.shape[1], *x.shape[2:])], 1)
