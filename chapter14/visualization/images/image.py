"""Parameterizations of an image: gradient descent on the data (14.9) descends in θ, and the image is x = image(θ).

    Pixels          x = θ
    Array           x = θ, of any shape: a vector, a sequence, a volume
    Pyramid         x = sum_k U_k θ_k       θ_k of 1 / 2^k the size, U_k upsamples it to the size of x
    Fourier         x = F s θ               Fourier coefficients, s ~ 1 / frequency          (fourier.py)
    MACO            x = F A exp(iπ|k| θ)    their phases alone                               (fourier.py)
    Decorrelated    x = C θ, pixel by pixel: principal components of colours                 (colour.py)
    Grey, Alpha     one channel instead of three; one more channel, the opacity              (colour.py)
    Bounded         x = tanh(another image's picture)                                        (colour.py)

x is a layer's output, so dJ/dθ = dJ/dx L^θ, (14.8). The larger the derivative of x by a parameter, the faster it moves:
in a pyramid and in Fourier coarse structures move faster than fine ones, as they vary more in photographs. Entries of a
picture from -1 to 1 are colours; during the descent x may leave that range, unless it is `Bounded`. An `Array` has no
range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ... import functional as F


class Image(Protocol):
    """A parameterization θ of pictures x [B, C, H, W]; θ's shape determines x's.

    A descent starts from noise whose picture has the standard deviation `noise`. The lengths of its steps add up to
    `path_length`, in units of the distance from white noise to a photograph.
    """

    @property
    def channels(self) -> int: ...

    @property
    def noise(self) -> float: ...

    @property
    def path_length(self) -> float: ...

    def parameters(self, x: Tensor) -> Tensor:
        """x → θ, the inverse of `picture`."""

    def picture(self, theta: Tensor) -> Tensor:
        """θ → x."""

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        """L^θ change."""


class LinearImage:
    """A picture that is linear in its parameters."""

    def picture(self, theta: Tensor) -> Tensor:
        raise NotImplementedError

    def jvp(self, theta: Tensor, change: Tensor) -> Tensor:
        return self.picture(change)


@dataclass(frozen=True)
class Pixels(LinearImage):
    noise: float = 0.8
    path_length: float = 0.9
    channels: int = 3

    def parameters(self, x: Tensor) -> Tensor:
        return x

    def picture(self, theta: Tensor) -> Tensor:
        return theta


@dataclass(frozen=True)
class Array(LinearImage):
    """Data that is no picture, x [B, *shape]: a vector [N], a sequence [C, T], a volume [C, D, H, W].

    Its entries have no range; those of `Bounded(Array(shape))` are from -1 to 1. `path_length` is in units of √(1.3 N)
    for N entries, as for pictures.
    """

    shape: tuple[int, ...]
    noise: float = 0.1
    path_length: float = 0.9

    def __post_init__(self) -> None:
        if not self.shape or not all(isinstance(n, int) and n > 0 for n in self.shape):
            raise ValueError(f"Array: shape is of one x, as (1, 16000); it was given {self.shape!r}.")

    @property
    def channels(self) -> int:
        return self.shape[0]

    def parameters(self, x: Tensor) -> Tensor:
        return x

    def picture(self, theta: Tensor) -> Tensor:
        return theta


@dataclass(frozen=True)
class Pyramid(LinearImage):
    """A Laplacian pyramid: the sum of `levels` images, each of half the size of the one before, upsampled.

    θ [B, C, H, W + W//2] is laid out like a mipmap: the largest level at the left, the others below one another at its
    right.
    """

    levels: int = 5
    noise: float = 0.03
    path_length: float = 0.6
    channels: int = 3

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"Pyramid: levels is at least 1; it was given levels={self.levels}.")

    def parameters(self, x: Tensor) -> Tensor:
        return torch.nn.functional.pad(x, (0, x.shape[-1] // 2))

    def picture(self, theta: Tensor) -> Tensor:
        x, *finer = reversed(list(self._levels(theta)))
        for level in finer:
            x = F.add(level, F.interpolate(x, tuple(level.shape[2:]), mode="bilinear", align_corners=False))
        return x

    def _levels(self, theta: Tensor) -> Iterator[Tensor]:
        """θ_0, θ_1, ..., down to one pixel."""
        H, W, top = theta.shape[-2], (2 * theta.shape[-1] + 1) // 3, 0
        yield F.narrow(theta, 3, 0, W)
        for k in range(1, min(self.levels, H.bit_length(), W.bit_length())):
            yield F.narrow(F.narrow(theta, 2, top, H >> k), 3, W, W >> k)
            top += H >> k
