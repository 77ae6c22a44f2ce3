"""Resampling: an image read at places between its pixels. Each entry of x_out is a mean of the four around its place.

    x_out[p] = sum_k w_k[p] x_in[i_k[p]],  k = 1..4
    g_in[i_k[p]] += w_k[p] g_out[p]                     transposed: what comes back is added where it was read

The places are constants, so it is linear: L is [|x_out| x |x_in|] with four entries a row. It is made of layers, and so
is its transpose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .arithmetic import sum_along, times
from .arrange import reshape, take


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """x [..., H, W] read at grid [H', W', 2], (row, column) in pixels, bilinearly → [..., H', W'].

    Beyond the border, the border goes on. As `torch.nn.functional.grid_sample` with `padding_mode="border"`, for a grid
    that is a constant.
    """
    H, W = x.shape[-2:]
    row, column = grid[..., 0].clamp(0, H - 1).flatten(), grid[..., 1].clamp(0, W - 1).flatten()
    top, left = row.floor(), column.floor()
    down, right = row - top, column - left
    weights = torch.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
    bottom, far = (top + 1).clamp(max=H - 1), (left + 1).clamp(max=W - 1)
    index = torch.stack([top * W + left, top * W + far, bottom * W + left, bottom * W + far]).long()
    pixels = reshape(x, (*x.shape[:-2], H * W))
    corners = reshape(take(pixels, index.flatten(), -1), (*x.shape[:-2], *index.shape))
    return reshape(sum_along(times(corners, weights.to(x.dtype)), -2), (*x.shape[:-2], *grid.shape[:2]))


def about_the_centre(size: tuple[int, int], matrix: Tensor) -> Tensor:
    """The grid [H, W, 2] that reads, at each place p of an image of that size, matrix p; p counts from the centre."""
    H, W = size
    centre = torch.tensor([(H - 1) / 2, (W - 1) / 2], dtype=matrix.dtype, device=matrix.device)
    rows, columns = (torch.arange(n, dtype=matrix.dtype, device=matrix.device) for n in size)
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
    return (places - centre) @ matrix.mT + centre
