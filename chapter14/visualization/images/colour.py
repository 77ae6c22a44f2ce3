"""The channels of an image: decorrelated colours, chroma alone, grey, alpha; and their range.

    x = C θ, pixel by pixel         C [3, N], and θ is another image's picture
    x = C [b, θ]                    Chroma: of the coefficients of COLOURS, the first is given
    x = tanh θ                      Bounded

The first channels of x are its colours; further channels, as alpha, are left unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ... import functional as F
from ...models.state_dict import fingerprint
from .image import Array, Image

#: The principal components of the colours of the embedded network's training photographs, as columns, scaled so that
#: the longest has length 1: brightness, red against blue, green against magenta.
COLOURS = torch.tensor([[0.57, 0.18, 0.05], [0.58, 0.00, -0.10], [0.59, -0.18, 0.05]], dtype=torch.float64)

#: How much colours vary in chroma, as a share of how much they vary in all; root mean square.
CHROMA = float(COLOURS[:, 1:].norm() / COLOURS.norm())

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


@dataclass(frozen=True, eq=False, repr=False)
class Chroma(WrappedImage):
    """The colours of `photograph` [3, H, W] are drawn, and its brightness is kept: its coefficients of COLOURS[:, 0].

    `image` has two channels, the other coefficients. Brightness is kept where no colour leaves the range from -1 to 1.
    """

    photograph: Tensor
    C, C_inverse = COLOURS, torch.linalg.inv(COLOURS)

    def __post_init__(self) -> None:
        x, channels = self.photograph, self.image.channels
        if x.ndim != 3 or len(x) != 3 or channels < 2:
            given = f"{list(x.shape)} and {channels} channels"
            raise ValueError(f"Chroma: a photograph [3, H, W], and an image of two channels; it was given {given}.")

    def __repr__(self) -> str:
        return f"Chroma(image={self.image}, photograph={fingerprint({'': self.photograph})})"

    @property
    def channels(self) -> int:
        return self.image.channels + 1

    @property
    def noise(self) -> float:
        return CHROMA * self.image.noise

    @property
    def path_length(self) -> float:
        return CHROMA * self.image.path_length

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(mix_channels(x, self.C_inverse)[:, 1:])

    def picture(self, theta: Tensor) -> Tensor:
        return self._mixed(self.image.picture(theta), mix_channels(self.photograph[None], self.C_inverse)[:, :1])

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        d = self.image.jvp(theta, change)
        return self._mixed(d, d.new_zeros(1, 1, *d.shape[2:]))

    def _mixed(self, chroma: Tensor, brightness: Tensor) -> Tensor:
        if brightness.shape[2:] != chroma.shape[2:]:
            sizes = " x ".join(map(str, brightness.shape[2:])), " x ".join(map(str, chroma.shape[2:]))
            raise ValueError(f"Chroma: the photograph has {sizes[0]} pixels, and the picture {sizes[1]}.")
        return mix_channels(F.merge(brightness.to(chroma).expand(len(chroma), -1, -1, -1), chroma, dim=1), self.C)


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

    def __post_init__(self) -> None:
        if isinstance(self.image, Chroma):
            raise ValueError("Bounded(Chroma(...)) changes the brightness; Chroma(Bounded(...)) keeps it.")

    def parameters(self, x: Tensor) -> Tensor:
        return self.image.parameters(torch.atanh(x.clamp(-MOST, MOST)))

    def picture(self, theta: Tensor) -> Tensor:
        return F.tanh(self.image.picture(theta))

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        x = self.picture(theta)
        return F.mul(F.add(F.mul(x, F.mul(x, -1)), 1), self.image.jvp(theta, change))


def linear_part(image: Image) -> Image:
    """`image` without Bounded, and with a brightness of 0 in Chroma; MACO, which is not linear, stays."""
    if isinstance(image, Bounded):
        return linear_part(image.image)
    if isinstance(image, Chroma):
        image = replace(image, photograph=torch.zeros_like(image.photograph))
    return replace(image, image=linear_part(image.image)) if isinstance(image, WrappedImage) else image


def array_shape(image: Image) -> tuple[int, ...] | None:
    """The shape of an Array's x, which may be Bounded; None for pictures.

    Raises:
        ValueError: an image of pictures is given an Array.
    """
    inner = image
    while isinstance(inner, WrappedImage):
        inner = inner.image
    if not isinstance(inner, Array):
        return None
    if image != inner and image != Bounded(inner):
        raise ValueError(f"{image}: an Array has no colours; Bounded(Array(...)) is all that there is.")
    return inner.shape


def in_range(image: Image, x: Tensor) -> Tensor:
    """x with colours from -1 to 1; an Array as it is."""
    return x.clamp(-1, 1) if array_shape(image) is None else x
