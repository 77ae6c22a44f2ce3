"""Transforms that only move pixels: each entry of x_out is one of x_in's, or of the border.

x_out^b = x_in^b[index^b],   g_in^b[index^b] = g_out^b         for each picture b, with own own index
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ... import functional as F
from ...layer.base import LinearMap
from ...layer.shape import in_words
from .transform import randn


class Rolled(LinearMap):
    """Each picture rolled by own own shifts: one for each axis after its channels, as (down, right)."""

    @staticmethod
    def forward(x, shifts):
        axes = range(1, x.ndim - 1)
        return torch.stack([own.roll(shift, tuple(axes)) for own, shift in zip(x, shifts, strict=True)])

    @staticmethod
    def transpose(g, shape, shifts):
        return Rolled.of(g, tuple(tuple(-n for n in shift) for shift in shifts))


class Flipped(LinearMap):
    """The pictures for which `which` is True, mirrored."""

    @staticmethod
    def forward(x, which):
        return torch.stack([own.flip(2) if flip else own for own, flip in zip(x, which, strict=True)])

    @staticmethod
    def transpose(g, shape, which):
        return Flipped.of(g, which)


class Cropped(LinearMap):
    """[B, C, *size], from each picture's own corner (row, column)."""

    @staticmethod
    def forward(x, corners, size):
        (h, w), pairs = size, zip(x, corners, strict=True)
        return torch.stack([own[:, top : top + h, left : left + w] for own, (top, left) in pairs])

    @staticmethod
    def transpose(g, shape, corners, size):
        return Uncropped.of(g, corners, shape[2:])


class Uncropped(LinearMap):
    """[B, C, *size], zero around each picture: the transpose of Cropped."""

    @staticmethod
    def forward(x, corners, size):
        x_out, (h, w) = x.new_zeros(*x.shape[:2], *size), x.shape[2:]
        for own_out, own, (top, left) in zip(x_out, x, corners, strict=True):
            own_out[:, top : top + h, left : left + w] = own
        return x_out

    @staticmethod
    def transpose(g, shape, corners, size):
        return Cropped.of(g, corners, shape[2:])


@dataclass(frozen=True)
class Jitter:
    """Rolls the picture, or a sequence or volume, by up to `pixels` along each axis."""

    pixels: int
    any_shape = True

    def __post_init__(self) -> None:
        if self.pixels < 0:
            raise ValueError(f"Jitter: pixels is at least 0; it was given {self.pixels}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        n = x.ndim - 2
        if not n:
            raise ValueError(f"{self}: a vector has no axis to roll along; x is {in_words(x)}.")
        drawn = [torch.randint(-self.pixels, self.pixels + 1, (n,), generator=generator) for generator in generators]
        return Rolled.of(x, tuple(tuple(map(int, shift)) for shift in drawn))  # PyTorch 2.9 has no tolist in jvp


@dataclass(frozen=True)
class Flip:
    """Mirrors the picture with probability 1/2."""

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        which = tuple(torch.rand((), generator=generator).item() < 0.5 for generator in generators)
        return Flipped.of(x, which) if any(which) else x


MODES = "constant", "reflect", "replicate", "circular", "noise"


@dataclass(frozen=True)
class Pad:
    """Adds a border of `pixels`, by one of torch's modes: "constant" has a `value`, 0 being grey; or with mode "noise",
    whose standard deviation is `value`. Negative `pixels` crop.
    """

    pixels: int
    mode: str = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"Pad: mode is one of {', '.join(MODES)}; it was given {self.mode!r}.")

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        if min(x.shape[-2:]) + 2 * self.pixels < 1:
            raise ValueError(f"Pad({self.pixels}): nothing would be left of a picture of {_size(x.shape[-2:])} pixels.")
        widths = (self.pixels,) * 4
        if self.mode != "noise":
            value = self.value if self.mode == "constant" else None
            return F.pad(x, widths, self.mode, value)
        border = torch.nn.functional.pad(torch.zeros_like(x[:1, :1]), widths, value=self.value)
        x_out = F.pad(x, widths)
        return F.add(x_out, randn(x_out.shape, generators).to(x) * border)


@dataclass(frozen=True)
class Crop:
    """A part of size x size pixels, or (height, width), at a random position."""

    size: int | tuple[int, int]

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        room = [n - side for n, side in zip(x.shape[-2:], size, strict=True)]
        if min(room) < 0 or min(size) < 1:
            raise ValueError(
                f"Crop: a part of {_size(size)} pixels does not fit into a picture of {_size(x.shape[-2:])}; "
                f"it was given x {in_words(x)}."
            )
        corners = [[int(torch.randint(n + 1, (), generator=own)) for n in room] for own in generators]
        return Cropped.of(x, tuple(map(tuple, corners)), size)


def _size(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))
