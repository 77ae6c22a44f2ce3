"""What is done to the picture before the network sees it: each step draws a little change at random, then applies it.

A picture that suits the neuron however it is moved owes less to the grid of its own pixels. Every change is a layer, so
the gradient comes back through it. Each picture of a batch has a generator of its own: its seed repeats what is done to
it, whatever else is in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from .. import functional as F
from ..layers.resample import about_the_centre, warp


class Transform(Protocol):
    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        """x [B, 3, H, W], with B generators → x_out [B, 3, H, W]."""


@dataclass(frozen=True)
class Jitter:
    """Moved by up to so many pixels each way; what falls off comes in at the other side."""

    pixels: int

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        def moved(x: Tensor, generator: Generator) -> Tensor:
            drawn = torch.randint(-self.pixels, self.pixels + 1, (2,), generator=generator)
            return F.roll(x, drawn.tolist(), (2, 3))

        return _one_by_one(moved, x, generators)


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged, half of the time."""

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        def flipped(x: Tensor, generator: Generator) -> Tensor:
            return F.flip(x, (3,)) if torch.rand((), generator=generator) < 0.5 else x

        return _one_by_one(flipped, x, generators)


@dataclass(frozen=True)
class Rotate:
    """Turned about its centre by up to so many degrees each way."""

    degrees: float

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        def turned(x: Tensor, generator: Generator) -> Tensor:
            angle = math.radians(_uniform(-self.degrees, self.degrees, generator))
            turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            return _warped(x, turn)

        return _one_by_one(turned, x, generators)


@dataclass(frozen=True)
class Scale:
    """Made larger by a factor from `low` to `high` about its centre, in a frame that stays as it is."""

    low: float
    high: float

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        def scaled(x: Tensor, generator: Generator) -> Tensor:
            return _warped(x, torch.eye(2) / _uniform(self.low, self.high, generator))

        return _one_by_one(scaled, x, generators)


@dataclass(frozen=True)
class Noise:
    """Noise of a standard deviation added."""

    sigma: float

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return F.plus(x, self.sigma * randn(x.shape, generators).to(x))


@dataclass(frozen=True)
class Together:
    """One after the other."""

    transforms: Sequence[Transform]

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        for transform in self.transforms:
            x = transform(x, generators)
        return x


def randn(shape: Sequence[int], generators: Sequence[Generator]) -> Tensor:
    """Normal noise [B, ...], of each picture's own generator."""
    return torch.stack([torch.randn(*shape[1:], generator=generator) for generator in generators])


def _one_by_one(change: Callable[[Tensor, Generator], Tensor], x: Tensor, generators: Sequence[Generator]) -> Tensor:
    return F.merge(*map(change, F.split(x, 1), generators), dim=0)


def _uniform(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _warped(x: Tensor, matrix: Tensor) -> Tensor:
    return warp(x, about_the_centre((x.shape[-2], x.shape[-1]), matrix.to(x)))
