"""Transforms that read the picture between its pixels: at A p + s for each place p of x_out, counted from the centre.

    Rotate         A = [[cos, -sin], [sin, cos]]     s = 0
    Scale          A = 1 / factor                    s = 0
    Affine         both at once, which blurs less    s = anywhere near
    ResizedCrop    A = share size / size_out         s = anywhere that the part lies within the picture

Beyond the border, the border goes on.
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
    """Turned, scaled by a factor from `low` to `high`, and moved by up to so many `pixels` each way, all at once."""

    degrees: float = 0.0
    low: float = 1.0
    high: float = 1.0
    pixels: float = 0.0

    def __post_init__(self) -> None:
        _factors(self)

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        A = _turned(self.degrees, generators) / uniform(self.low, self.high, 1, generators)[:, None]
        return _read(x, A, uniform(-self.pixels, self.pixels, 2, generators))


@dataclass(frozen=True)
class Rotate:
    """Turned about its centre by up to so many degrees each way."""

    degrees: float

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return _read(x, _turned(self.degrees, generators))


@dataclass(frozen=True)
class Scale:
    """Made larger by a factor from `low` to `high` about its centre, in a frame that stays as it is."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _factors(self)

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        return _read(x, torch.eye(2) / uniform(self.low, self.high, 1, generators)[:, None])


@dataclass(frozen=True)
class ResizedCrop:
    """A part from anywhere, whose sides are a share, from `low` to `high`, of the picture's, read in another size.

    size: of x_out, in pixels, or (height, width); by default the picture's own.
    """

    low: float
    high: float
    size: int | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise ValueError(
                f"ResizedCrop: shares are above 0 and up to 1, the low one first; it was given {self.low}, {self.high}."
            )

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        size = torch.tensor(x.shape[-2:])
        out = (self.size, self.size) if isinstance(self.size, int) else self.size or x.shape[-2:]
        share = uniform(self.low, self.high, 1, generators)
        room = uniform(-0.5, 0.5, 2, generators) * (1 - share) * size
        return _read(x, torch.diag_embed(share * size / torch.tensor(out)), room, out)


def _factors(its: Affine | Scale) -> None:
    if not 0 < its.low <= its.high:
        raise ValueError(f"{its}: factors are above 0, the low one first.")


def _turned(degrees: float, generators: Sequence[Generator]) -> Tensor:
    angle = uniform(-math.radians(degrees), math.radians(degrees), 1, generators)
    return torch.cat([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)


def _read(x: Tensor, A: Tensor, s: Tensor | None = None, out: Sequence[int] | None = None) -> Tensor:
    size, s = (x.shape[2], x.shape[3]), A.new_zeros(len(A), 2) if s is None else s
    height, width = out or size
    like = x.new_empty((), dtype=torch.promote_types(x.dtype, torch.float32))  # half numbers cannot tell pixels apart
    return warp(x, affine(A.to(like), s.to(like), size, (height, width)))
