"""Transforms that change the values of pixels: noise, colour, blur; and their channels: further ones, a background.

Noise        x_out = x + n
Colour       x_out = contrast (saturation x + (1 - saturation) mean of x's channels) + brightness
Blur         x_out = k * x, with a Gaussian k, along each axis in turn
AddChannels  x_out = [x, given]
Composite    x_out = a x + (1 - a) background,   a = (1 + alpha) / 2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ... import functional as F
from ...layer.shape import in_words
from ...models.state_dict import fingerprint
from ..images.colour import from_components
from ..images.fourier import Fourier
from .transform import Transform, randn, uniform


@dataclass(frozen=True)
class Noise:
    """Adds normal noise of a standard deviation."""

    sigma: float
    any_shape = True

    def __post_init__(self) -> None:
        if self.sigma < 0:
            raise ValueError(f"Noise: sigma is at least 0; it was given {self.sigma}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return F.add(x, randn(x.shape, generators, self.sigma).to(x))


@dataclass(frozen=True)
class Colour:
    """Changes the lighting. Each argument is the largest deviation from identity, drawn uniformly.

    brightness: is added to entries from -1 to 1; shift: likewise, for each channel separately. contrast: the distance
    from grey is multiplied by 1 - contrast to 1 + contrast. saturation: likewise, the distance from the channels' mean.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.contrast <= 1 and 0 <= self.saturation <= 1 and self.brightness >= 0 <= self.shift):
            raise ValueError(f"{self}: contrast and saturation are from 0 to 1, and the others at least 0.")

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
    """Convolves with a Gaussian whose standard deviation is from `low` to `high` pixels."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"Blur: 0 <= low <= high, in pixels; it was given {self.low}, {self.high}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return gaussian_blur(x, uniform(self.low, self.high, 1, generators).to(x), self.high)


def gaussian_blur(x: Tensor, sigma: Tensor, largest: float) -> Tensor:
    """x [B, C, H, W], each picture blurred by its own sigma [B, 1], none above `largest`."""
    B, C, H, W = x.shape
    radius = math.ceil(3 * largest)
    places = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    k = torch.exp(-((places / sigma.clamp(min=1e-3)) ** 2) / 2)
    k = (k / k.sum(1, keepdim=True)).repeat_interleave(C, 0)[:, None]  # [B C, 1, n]
    x_out = F.pad(F.reshape(x, (1, B * C, H, W)), (radius,) * 4, "replicate")
    x_out = F.conv2d(F.conv2d(x_out, k[..., None], groups=B * C), k[..., None, :], groups=B * C)
    return F.reshape(x_out, x.shape)


@dataclass(frozen=True, eq=False, repr=False)
class AddChannels:
    """Channels that are not drawn, but given, [C, H, W]: after those of x, or from the channel `first` on.

    Before the other transforms, so that they move with the picture: `transforms=(AddChannels(depth), Jitter(4))`.
    """

    given: Tensor
    first: int | None = None
    any_shape = True

    def __repr__(self) -> str:
        return f"AddChannels(given={list(self.given.shape)} {fingerprint({'': self.given})}, first={self.first})"

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        given, first = self.given.to(x), x.shape[1] if self.first is None else self.first
        if given.shape[1:] != x.shape[2:] or not 0 <= first <= x.shape[1]:
            raise ValueError(f"{self}: it does not fit x {in_words(x)}.")
        before, after = F.split(x, [first, x.shape[1] - first], 1)
        return F.merge(before, given.expand(len(x), *given.shape), after, dim=1)


def added_channels(transforms: Sequence[Transform]) -> int:
    """How many channels transforms add."""
    return sum(len(transform.given) for transform in transforms if isinstance(transform, AddChannels))


@dataclass(frozen=True)
class Composite:
    """Composites a picture whose last channel is alpha over a background: coarse coloured noise, new at each step.

    Transparent pixels cannot help the neuron then, as it cannot know what will be behind them.
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
            noise = from_components(Fourier().picture(randn(shape, generators).to(like)))
            return noise * (self.sigma / noise.square().flatten(1).mean(1).sqrt()).view(-1, 1, 1, 1)
