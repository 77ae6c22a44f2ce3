"""Images read at the places of a grid, as torch calls it: by number."""

from __future__ import annotations

from torch import Tensor

from ... import functional as F
from ..table import stands_for


@stands_for("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    return F.grid_sample(input, grid, mode, ("zeros", "border", "reflection")[padding_mode], align_corners)


@stands_for("affine_grid_generator")
def affine_grid_generator(theta: Tensor, size: list[int], align_corners: bool) -> Tensor:
    return F.affine_grid(theta, size, align_corners)
