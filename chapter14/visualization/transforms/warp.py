"""Transforms that interpolate the picture: at A p + s for each place p of x_out, counted from the centre.

    Rotate         A = [[cos, -sin], [sin, cos]]     s = 0
    Scale          A = 1 / factor                    s = 0
    Affine         both at once, which blurs less    s within `pixels`
    ResizedCrop    A = share R size / size_out       s such that the crop lies within the picture

Outside of the picture, its border is repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...layers.resample.warp import affine, warp
from .transform import uniform


@dataclass(frozen=True)
class Affine:
    """Rotates by up to `degrees`, scales by a factor from `low` to `high` and shifts by up to `pixels`, in one step."""

    degrees: float = 0.0
    low: float = 1.0
    high: float = 1.0
    pixels: float = 0.0

    def __post_init__(self) -> None:
        _check_factors(self)

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        A = _rotation(self.degrees, generators) / uniform(self.low, self.high, 1, generators)[:, None]
        return _interpolate(x, A, uniform(-self.pixels, self.pixels, 2, generators))


@dataclass(frozen=True)
class Rotate:
    """Rotates about the centre by up to `degrees`, in either direction."""

    degrees: float

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return _interpolate(x, _rotation(self.degrees, generators))


@dataclass(frozen=True)
class Scale:
    """Scales about the centre by a factor from `low` to `high`; the size of the picture stays."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_factors(self)

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return _interpolate(x, torch.eye(2) / uniform(self.low, self.high, 1, generators)[:, None])


@dataclass(frozen=True)
class ResizedCrop:
    """A crop at a random position, whose sides are a share, from `low` to `high`, of the picture's, then resized.

    size: of x_out, in pixels, or (height, width); by default the picture's. The crop is rotated about its centre by up
    to `degrees`, R, so that its corners may lie outside of the picture.
    """

    low: float
    high: float
    size: int | tuple[int, int] | None = None
    degrees: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise ValueError(f"ResizedCrop: 0 < low <= high <= 1; it was given {self.low}, {self.high}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        size = torch.tensor(x.shape[-2:])
        out = (self.size, self.size) if isinstance(self.size, int) else self.size or x.shape[-2:]
        share = uniform(self.low, self.high, 1, generators)
        room = uniform(-0.5, 0.5, 2, generators) * (1 - share) * size
        A = torch.diag_embed(share * size / torch.tensor(out))
        return _interpolate(x, _rotation(self.degrees, generators) @ A if self.degrees else A, room, out)


def _check_factors(transform: Affine | Scale) -> None:
    if not 0 < transform.low <= transform.high:
        raise ValueError(f"{transform}: factors are 0 < low <= high.")


def _rotation(degrees: float, generators: Sequence[Generator]) -> Tensor:
    angle = uniform(-math.radians(degrees), math.radians(degrees), 1, generators)
    return torch.cat([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)


def _interpolate(x: Tensor, A: Tensor, s: Tensor | None = None, out: Sequence[int] | None = None) -> Tensor:
    size, s = (x.shape[2], x.shape[3]), A.new_zeros(len(A), 2) if s is None else s
    height, width = out or size
    like = x.new_empty((), dtype=torch.promote_types(x.dtype, torch.float32))  # half precision cannot tell pixels apart
    return warp(x, affine(A.to(like), s.to(like), size, (height, width)))
