"""The channels of an image: what moves together in them.

    x = C θ, pixel by pixel         C [3, N], and θ is another image's picture

The first channels of x are its colours; what comes behind them, as alpha, is left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ... import functional as F
from .image import Image

#: The principal axes of the colours of the photographs that the embedded network was trained on, as columns, the
#: longest of length 1: brightness, red against blue, green against magenta.
COLOURS = torch.tensor([[0.57, 0.18, 0.05], [0.58, 0.00, -0.10], [0.59, -0.18, 0.05]], dtype=torch.float64)
GREY = torch.ones(3, 1, dtype=torch.float64)


def mixed(x: Tensor, C: Tensor) -> Tensor:
    """C [M, N] times the first N channels of x [B, N + n, H, W], pixel by pixel → [B, M + n, H, W]."""
    behind = x.shape[1] - C.shape[1]
    weight = torch.block_diag(C, torch.eye(behind, dtype=C.dtype)) if behind else C
    return F.conv2d(x, weight.to(x)[:, :, None, None])


@dataclass(frozen=True)
class Mixed:
    """Another image's picture, with other channels."""

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


@dataclass(frozen=True)
class Decorrelated(Mixed):
    """`image`, with the three channels of its picture as amounts of COLOURS."""

    def __post_init__(self) -> None:
        if self.channels < 3:
            raise ValueError(f"Decorrelated: colours are of three channels; {self.image} has {self.channels}.")

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(mixed(x, torch.linalg.inv(COLOURS)))

    def picture(self, theta: Tensor) -> Tensor:
        return mixed(self.image.picture(theta), COLOURS)

    def moved(self, theta: Tensor, change: Tensor) -> Tensor:
        return mixed(self.image.moved(theta, change), COLOURS)


@dataclass(frozen=True)
class Grey(Mixed):
    """`image`, with one channel of its picture for all three. Of a picture with colours, it is their mean."""

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(mixed(x, GREY.mT / 3))

    def picture(self, theta: Tensor) -> Tensor:
        return mixed(self.image.picture(theta), GREY)

    def moved(self, theta: Tensor, change: Tensor) -> Tensor:
        return mixed(self.image.moved(theta, change), GREY)


@dataclass(frozen=True)
class Alpha(Mixed):
    """`image`, with a channel more: alpha, from -1, where it lets the background through, to 1, where it is opaque.

    The transforms lay it over a background, `Composite()` before all others. A picture without alpha is opaque.
    """

    @property
    def channels(self) -> int:
        return self.image.channels + 1

    @property
    def way(self) -> float:
        return 1.5 * self.image.way  # colours of which half is seen have farther to go

    def parameters(self, x: Tensor) -> Tensor:
        opaque = x.new_ones(x.shape[0], self.channels - x.shape[1], *x.shape[2:])
        return self.image.parameters(torch.cat([x, opaque], 1))

    def picture(self, theta: Tensor) -> Tensor:
        return self.image.picture(theta)

    def moved(self, theta: Tensor, change: Tensor) -> Tensor:
        return self.image.moved(theta, change)
