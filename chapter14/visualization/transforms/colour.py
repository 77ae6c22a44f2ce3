"""Transforms that change what the pixels are: noise, light, blur; and, of a picture with alpha, what lies behind it.

Noise        x_out = x + n
Colour       x_out = contrast (saturation x + (1 - saturation) mean of x's channels) + brightness
Blur         x_out = k * x, with a Gaussian k, along each axis in turn
Composite    x_out = a x + (1 - a) background,   a = (1 + alpha) / 2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ... import functional as F
from ...shape import in_words
from ..images.colour import COLOURS, mixed
from ..images.fourier import Fourier
from .transform import randn, uniform


@dataclass(frozen=True)
class Noise:
    """Noise of a standard deviation added."""

    sigma: float

    def __post_init__(self) -> None:
        if self.sigma < 0:
            raise ValueError(f"Noise: sigma is 0 or more; it was given {self.sigma}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return F.add(x, randn(x.shape, generators, self.sigma).to(x))


@dataclass(frozen=True)
class Colour:
    """Another light: each is how far its amount strays, evenly, from what leaves the picture as it is.

    brightness: is added, entries being from -1 to 1; shift: the same, to each channel its own. contrast: multiplies
    the distance from grey, by 1 - contrast to 1 + contrast. saturation: so does that from the channels' mean.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.contrast <= 1 and 0 <= self.saturation <= 1 and self.brightness >= 0 <= self.shift):
            raise ValueError(f"{self}: how far contrast and saturation stray is from 0 to 1, and the rest 0 or more.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        drawn = uniform(-1, 1, 3 + x.shape[1], generators).to(x)[..., None, None]
        brightness, contrast, saturation = (drawn[:, i : i + 1] for i in range(3))
        contrast, saturation = 1 + self.contrast * contrast, 1 + self.saturation * saturation
        x_out = F.mul(x, contrast * saturation)
        if self.saturation:
            x_out = F.add(x_out, F.mul(F.mean(x, 1, True), contrast * (1 - saturation)))
        return F.add(x_out, self.brightness * brightness + self.shift * drawn[:, 3:])


@dataclass(frozen=True)
class Blur:
    """By a Gaussian whose standard deviation is from `low` to `high` pixels."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"Blur: pixels are 0 or more, the low one first; it was given {self.low}, {self.high}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return blurred(x, uniform(self.low, self.high, 1, generators).to(x), self.high)


def blurred(x: Tensor, sigma: Tensor, widest: float) -> Tensor:
    """x [B, C, H, W], each picture blurred by its own sigma [B, 1], none of them wider than `widest`."""
    B, C, H, W = x.shape
    radius = math.ceil(3 * widest)
    places = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    k = torch.exp(-((places / sigma.clamp(min=1e-3)) ** 2) / 2)
    k = (k / k.sum(1, keepdim=True)).repeat_interleave(C, 0)[:, None]  # [B C, 1, n]
    x_out = F.pad(F.reshape(x, (1, B * C, H, W)), (radius,) * 4, "replicate")
    x_out = F.conv2d(F.conv2d(x_out, k[..., None], groups=B * C), k[..., None, :], groups=B * C)
    return F.reshape(x_out, x.shape)


@dataclass(frozen=True)
class Composite:
    """A picture whose last channel is alpha, laid over a background: coarse coloured noise, another at each step.

    What alpha lets through is then of no use to the neuron, which cannot know what it will be.
    """

    sigma: float = 0.5

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        C = x.shape[1] - 1
        if C < 1:
            raise ValueError(f"Composite: the last channel is alpha; it was given x {in_words(x)}.")
        colours, alpha = F.split(x, [C, 1], 1)
        background = self._background((x.shape[0], C, *x.shape[2:]), x, generators)
        a = F.clamp(F.mul(F.add(alpha, 1), 0.5), 0, 1)
        return F.add(background, F.mul(a, F.sub(colours, background)))

    def _background(self, shape: Sequence[int], like: Tensor, generators: Sequence[Generator]) -> Tensor:
        with torch.no_grad():
            drawn = Fourier().picture(randn(shape, generators).to(like))
            drawn = mixed(drawn, COLOURS) if shape[1] == 3 else drawn
            return drawn * (self.sigma / drawn.square().flatten(1).mean(1).sqrt()).view(-1, 1, 1, 1)
