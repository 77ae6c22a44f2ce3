"""The channels of an image: decorrelated colours, grey, alpha; and their range.

    x = C θ, pixel by pixel         C [3, N], and θ is another image's picture
    x = tanh θ                      Bounded

The first channels of x are its colours; further channels, as alpha, are left unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ... import functional as F
from .image import Image

#: The principal components of the colours of the embedded network's training photographs, as columns, scaled so that
#: the longest has length 1: brightness, red against blue, green against magenta.
COLOURS = torch.tensor([[0.57, 0.18, 0.05], [0.58, 0.00, -0.10], [0.59, -0.18, 0.05]], dtype=torch.float64)

MOST = 0.99


def mix_channels(x: Tensor, C: Tensor) -> Tensor:
    """C [M, N] times the first N channels of x [B, N + n, H, W], pixel by pixel → [B, M + n, H, W]."""
    n = x.shape[1] - C.shape[1]
    weight = torch.block_diag(C, torch.eye(n, dtype=C.dtype)) if n else C
    return F.conv2d(x, weight.to(x)[:, :, None, None])


def to_components(x: Tensor) -> Tensor:
    """x [B, 3, ...] as coefficients of COLOURS; a picture without colours is unchanged."""
    return mix_channels(x, torch.linalg.inv(COLOURS)) if x.shape[1] == 3 else x


def from_components(x: Tensor) -> Tensor:
    """The inverse of `to_components`."""
    return mix_channels(x, COLOURS) if x.shape[1] == 3 else x


@dataclass(frozen=True)
class WrappedImage:
    """Another image's picture, its channels multiplied by C."""

    image: Image
    C: ClassVar[Tensor]
    C_inverse: ClassVar[Tensor]

    @property
    def channels(self) -> int:
        return self.image.channels

    @property
    def noise(self) -> float:
        return self.image.noise

    @property
    def path_length(self) -> float:
        return self.image.path_length

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(mix_channels(x, self.C_inverse))

    def picture(self, theta: Tensor) -> Tensor:
        return mix_channels(self.image.picture(theta), self.C)

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        return mix_channels(self.image.jvp(theta, change), self.C)


@dataclass(frozen=True)
class Decorrelated(WrappedImage):
    """`image`, with the three channels of its picture as coefficients of COLOURS."""

    C, C_inverse = COLOURS, torch.linalg.inv(COLOURS)

    def __post_init__(self) -> None:
        if self.channels < 3:
            raise ValueError(f"Decorrelated: colours have three channels; {self.image} has {self.channels}.")


@dataclass(frozen=True)
class Grey(WrappedImage):
    """`image`, with one channel of its picture for all three colours; a picture with colours starts from their mean."""

    C, C_inverse = torch.ones(3, 1, dtype=torch.float64), torch.full((1, 3), 1 / 3, dtype=torch.float64)


@dataclass(frozen=True)
class Alpha(WrappedImage):
    """`image`, with one more channel: alpha, from -1, transparent, to 1, opaque.

    The transforms must composite it over a background: `Composite()` first. A picture without alpha starts opaque.
    """

    @property
    def channels(self) -> int:
        return self.image.channels + 1

    @property
    def path_length(self) -> float:
        return 1.5 * self.image.path_length  # transparency weakens the change that the network sees

    def parameters(self, x: Tensor) -> Tensor:
        opaque = x.new_ones(x.shape[0], self.channels - x.shape[1], *x.shape[2:])
        return self.image.parameters(torch.cat([x, opaque], 1))

    def picture(self, theta: Tensor) -> Tensor:
        return self.image.picture(theta)

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        return self.image.jvp(theta, change)


@dataclass(frozen=True)
class Bounded(WrappedImage):
    """tanh of `image`'s picture, so that no entry leaves the range from -1 to 1; lucid's sigmoid is the same function.

    A picture to start from is limited to MOST.
    """

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(torch.atanh(x.clamp(-MOST, MOST)))

    def picture(self, theta: Tensor) -> Tensor:
        return F.tanh(self.image.picture(theta))

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        x = self.picture(theta)
        return F.mul(F.add(F.mul(x, F.mul(x, -1)), 1), self.image.jvp(theta, change))


def unbounded(image: Image) -> Image:
    """`image` without Bounded."""
    if isinstance(image, Bounded):
        return image.image
    return replace(image, image=unbounded(image.image)) if isinstance(image, WrappedImage) else image
