"""Layers that read an entry several times: a branch (section 14.7), so the gradients of the copies are summed.

repeat     x_out = x_in, r_i times along axis i               L^T: the sum over the copies
windows    x_out[i, ..., k] = x_in[i step + k, ...]           L^T: overlap_add, the sum over the windows of an entry
triangle   x_out = x_in, but 0 on one side of a diagonal      L^T = L
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.base import LinearMap
from ...layer.modes import compiling
from .arrange import reshape
from .branch import sum_to_size
from .linear_maps import SymmetricMap


class Repeat(LinearMap):
    @staticmethod
    def forward(x, times):
        return x.repeat(times)

    @staticmethod
    def transpose(g, shape, times):
        sizes = (*(1 for _ in times[len(shape) :]), *shape)
        copies = reshape(g, [n for pair in zip(times, sizes, strict=True) for n in pair])
        return reshape(sum_to_size(copies, [n for size in sizes for n in (1, size)]), shape)


class WindowsAlong(LinearMap):
    title = "unfold"
    view = True

    @staticmethod
    def forward(x, dim, size, step):
        windows = x.unfold(dim, size, step)
        # the compiler would copy g into the strides of x_out, where entries of overlapping windows share memory
        return windows.contiguous() if step < size and compiling() else windows

    @staticmethod
    def transpose(g, shape, dim, size, step):
        return OverlapAdd.of(g, shape, dim, size, step)


class OverlapAdd(LinearMap):
    @staticmethod
    def forward(x, shape, dim, size, step):
        if not shape:
            return x.reshape(())
        at = torch.arange(x.shape[dim], device=x.device)[:, None] * step + torch.arange(size, device=x.device)
        others = [i for i in range(x.ndim - 1) if i != dim]
        rows = x.permute(dim, x.ndim - 1, *others).reshape(at.numel(), *(x.shape[i] for i in others))
        x_out = x.new_zeros((shape[dim], *rows.shape[1:])).index_add(0, at.reshape(-1), rows)
        return x_out.permute(*range(1, dim + 1), 0, *range(dim + 1, len(shape)))

    @staticmethod
    def transpose(g, _, shape, dim, size, step):
        return WindowsAlong.of(g, dim, size, step)


class Triangle(SymmetricMap):
    @staticmethod
    def forward(x, lower, diagonal):
        return x.tril(diagonal) if lower else x.triu(diagonal)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrices of input, with 0 above a diagonal, as `torch.tril`."""
    return Triangle.of(input, True, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrices of input, with 0 below a diagonal, as `torch.triu`."""
    return Triangle.of(input, False, diagonal)
