"""Resampling: images at points between their pixels. Each entry of x_out is a mean of the four pixels around its point.

    x_out[p] = sum_k w_k[p] x_in[i_k[p]],  k = 1..4
    g_in[i_k[p]] += w_k[p] g_out[p]                     the transpose

The points are constants, so it is linear: L is [|x_out| x |x_in|] with four entries a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...layer.base import LinearMap
from ..core.cache_blocks import row_blocks


class Warp(LinearMap):
    @staticmethod
    def forward(x, grid):
        size = torch.tensor(x.shape[-2:], dtype=grid.dtype, device=grid.device)
        points = torch.addcmul(1 / size - 1, grid, 2 / size).flip(-1)  # torch's are from -1 to 1, columns first
        dtype = torch.promote_types(x.dtype, grid.dtype)
        bilinear, border = 0, 1
        return torch.grid_sampler(x.to(dtype), points.to(dtype), bilinear, border, False).to(x.dtype)

    @staticmethod
    def transpose(g, shape, grid):
        return WarpTranspose.of(g, shape, grid)


class WarpTranspose(LinearMap):
    @staticmethod
    def forward(g, shape, grid):
        return torch.cat([_splat(its, points, shape[-2:]) for its, points in row_blocks(g, grid)])

    @staticmethod
    def transpose(g, _, shape, grid):
        return Warp.of(g, grid)


def _splat(g: Tensor, grid: Tensor, size: Sequence[int]) -> Tensor:
    rows = g.flatten(2)
    x_out = g.new_zeros(*g.shape[:2], size[0] * size[1])
    for index, weight in _four_pixels(grid.flatten(1, 2), size):
        part = rows * weight[:, None].to(g.dtype)
        x_out = x_out.scatter_add(-1, index[:, None].expand(part.shape), part)
    return x_out.view(*g.shape[:2], *size)


def _four_pixels(grid: Tensor, size: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """i_k and w_k [B, P], for the points grid [B, P, 2]. The last pixel of an axis is never the first of a pair."""
    (H, W), (row, column) = size, grid.unbind(-1)
    row, column = row.clamp(0, H - 1), column.clamp(0, W - 1)
    top, left = row.floor().clamp_(0, max(H - 2, 0)), column.floor().clamp_(0, max(W - 2, 0))
    down, right, index = row.sub_(top), column.sub_(left), top.mul_(W).add_(left).long()
    both, below, beside = down * right, W * (H > 1), 1 * (W > 1)
    yield index + (below + beside), both
    yield index + below, down - both
    yield index + beside, right - both
    yield index, 1 - down - right + both


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """x [B, C, H, W] at the points grid [B, H', W', 2], (row, column) in pixels, bilinearly → [B, C, H', W'].

    As `torch.nn.functional.grid_sample` with `padding_mode="border"`; the grid has no gradient.
    """
    return Warp.of(x, grid)


def affine(matrix: Tensor, shift: Tensor, size: tuple[int, int], out: tuple[int, int]) -> Tensor:
    """The points matrix p + shift of an image of `size`, for each point p of x_out: a grid [B, *out, 2].

    Points are relative to the centre. matrix [B, 2, 2], shift [B, 2].
    """
    centre = torch.tensor([(n - 1) / 2 for n in size], dtype=matrix.dtype, device=matrix.device)
    rows, columns = (torch.arange(n, dtype=matrix.dtype, device=matrix.device) - (n - 1) / 2 for n in out)
    down, right = matrix[:, None, None, :, 0] * rows[:, None, None], matrix[:, None, None, :, 1] * columns[:, None]
    return down + (shift + centre)[:, None, None] + right
