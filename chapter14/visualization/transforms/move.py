"""Transforms that only move pixels: each entry of x_out is one of x_in's, or what lies around the picture.

x_out^b = x_in^b[index^b],   g_in^b[index^b] = g_out^b         for each picture b, with its own index
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ... import functional as F
from ...layer import LinearMap
from ...shape import in_words
from .transform import randn


class Rolled(LinearMap):
    """Each picture by its own shifts, (down, right)."""

    @staticmethod
    def forward(x, shifts):
        return torch.stack([its.roll(shift, (1, 2)) for its, shift in zip(x, shifts, strict=True)])

    @staticmethod
    def transpose(g, shape, shifts):
        return Rolled.of(g, tuple((-down, -right) for down, right in shifts))


class Flipped(LinearMap):
    """Left and right exchanged in those pictures of which `which` is True."""

    @staticmethod
    def forward(x, which):
        return torch.stack([its.flip(2) if flip else its for its, flip in zip(x, which, strict=True)])

    @staticmethod
    def transpose(g, shape, which):
        return Flipped.of(g, which)


class Cropped(LinearMap):
    """[B, C, *size], from its own corner (row, column) of each picture."""

    @staticmethod
    def forward(x, corners, size):
        (h, w), pairs = size, zip(x, corners, strict=True)
        return torch.stack([its[:, top : top + h, left : left + w] for its, (top, left) in pairs])

    @staticmethod
    def transpose(g, shape, corners, size):
        return Uncropped.of(g, corners, shape[2:])


class Uncropped(LinearMap):
    """[B, C, *size], zero around each picture."""

    @staticmethod
    def forward(x, corners, size):
        x_out, (h, w) = x.new_zeros(*x.shape[:2], *size), x.shape[2:]
        for its_out, its, (top, left) in zip(x_out, x, corners, strict=True):
            its_out[:, top : top + h, left : left + w] = its
        return x_out

    @staticmethod
    def transpose(g, shape, corners, size):
        return Cropped.of(g, corners, shape[2:])


@dataclass(frozen=True)
class Jitter:
    """Moved by up to so many pixels each way; what falls off comes in at the other side."""

    pixels: int

    def __post_init__(self) -> None:
        if self.pixels < 0:
            raise ValueError(f"Jitter: pixels is how far, 0 or more; it was given {self.pixels}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        drawn = [torch.randint(-self.pixels, self.pixels + 1, (2,), generator=generator) for generator in generators]
        return Rolled.of(x, tuple((int(down), int(right)) for down, right in drawn))


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged, half of the time."""

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        which = tuple(torch.rand((), generator=generator).item() < 0.5 for generator in generators)
        return Flipped.of(x, which) if any(which) else x


MODES = "constant", "reflect", "replicate", "circular", "noise"


@dataclass(frozen=True)
class Pad:
    """A border of so many pixels: of a `value`, 0 being grey; of noise of that standard deviation; or torch's modes.

    Negative `pixels` cut a border off.
    """

    pixels: int
    mode: str = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"Pad: mode is one of {', '.join(MODES)}; it was given {self.mode!r}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        if min(x.shape[-2:]) + 2 * self.pixels < 1:
            raise ValueError(f"Pad({self.pixels}): of a picture of {_size(x.shape[-2:])} pixels nothing would be left.")
        widths = (self.pixels,) * 4
        if self.mode != "noise":
            value = self.value if self.mode == "constant" else None
            return F.pad(x, widths, self.mode, value)
        border = torch.nn.functional.pad(torch.zeros_like(x[:1, :1]), widths, value=self.value)
        x_out = F.pad(x, widths)
        return F.add(x_out, randn(x_out.shape, generators).to(x) * border)


@dataclass(frozen=True)
class Crop:
    """A part of `size` pixels, or (height, width), from anywhere."""

    size: int | tuple[int, int]

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        room = [n - its for n, its in zip(x.shape[-2:], size, strict=True)]
        if min(room) < 0 or min(size) < 1:
            raise ValueError(
                f"Crop: a part of {_size(size)} pixels does not fit into a picture of {_size(x.shape[-2:])}; "
                f"it was given x {in_words(x)}."
            )
        corners = [[int(torch.randint(n + 1, (), generator=its)) for n in room] for its in generators]
        return Cropped.of(x, tuple(map(tuple, corners)), size)


def _size(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))
