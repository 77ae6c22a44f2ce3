"""An image as parameters θ: what gradient descent on the data descends in (14.9).

    Pixels          x = θ
    Pyramid         x = sum_k U_k θ_k       θ_k of 1 / 2^k the size, U_k makes it as large as x
    Fourier         x = F s θ               waves, s ~ 1 / frequency                 (image_fourier.py)
    MACO            x = F A exp(iπ|k| θ)     their phases alone                       (image_fourier.py)
    Decorrelated    x = C θ, pixel by pixel: brightness moves first, then colours    (image_colour.py)
    Grey, Alpha     one channel for three; and a fourth, of how opaque it is         (image_colour.py)

x is a layer's output, so dJ/dθ = dJ/dx L^θ, (14.8). What moves x most when it moves, moves most: in a pyramid and in
Fourier that is what is coarse, as it is in photographs. Entries of x from -1 to 1 are colours; on its way x may leave
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ... import functional as F


class Image(Protocol):
    """A way to have a picture x [B, C, H, W] as parameters θ, whose shape tells x's.

    A descent begins with noise in θ whose picture has the standard deviation `noise`, and leads `way` far, in units of
    the distance from white noise to a photograph.
    """

    @property
    def channels(self) -> int: ...

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

    def picture(self, theta: Tensor) -> Tensor:
        raise NotImplementedError

    def moved(self, theta: Tensor, change: Tensor) -> Tensor:
        return self.picture(change)


@dataclass(frozen=True)
class Pixels(Linear):
    noise: float = 0.8
    way: float = 0.9
    channels: int = 3

    def parameters(self, x: Tensor) -> Tensor:
        return x

    def picture(self, theta: Tensor) -> Tensor:
        return theta


@dataclass(frozen=True)
class Pyramid(Linear):
    """The sum of `levels` images, each of half the size of the one before, made as large as the first step by step.

    θ [B, C, H, W + W//2] is laid out as textures of several sizes are: the largest at the left, the others below one
    another at its right.
    """

    levels: int = 5
    noise: float = 0.03
    way: float = 0.6
    channels: int = 3

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"Pyramid: it has 1 level or more; it was given levels={self.levels}.")

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
