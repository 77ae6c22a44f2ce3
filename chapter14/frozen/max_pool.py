"""Max pooling with its relu, which saves where the largest was in four bits an entry.

    relu(max x) = max(relu x)       so a relu before the pool is applied after it, to fewer entries

Saved: 1 + the index of the largest entry in its window, and 0 where relu is flat; two entries a byte, one from each
half of the image. `backward` scatters g to those entries, whose offsets it looks up by byte in tables of 256.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .layers import FrozenLayer, last, require

#: Images of at least this many entries are looked up one by one, so that each stays in the CPU's cache.
LARGE = 2**14


class FrozenMaxPool(FrozenLayer):
    """x [B, C, H, W] → the largest of each window of up to 3 x 3, [B, C, h, w]."""

    saves = True

    def __init__(self, size: int, stride: int, padding: int, ceil_mode: bool):
        super().__init__()
        self.size, self.stride, self.padding, self.ceil_mode = size, stride, padding, ceil_mode

    def run(self, x, save, finite):
        (x,) = x
        require(x.ndim == 4)
        if not save:
            return self._pooled(x, False), None
        if not (groups := self._groups(self.output_shape(x.shape))):
            return self._pooled(x, False), torch.zeros(0, dtype=torch.uint8, device=x.device)
        x_out, bits = zip(*(self._chosen(images) for images in x.chunk(groups)), strict=True)
        return (x_out[0] if groups == 1 else last(torch.cat(x_out))), torch.cat(bits)

    def _pooled(self, x: Tensor, indices: bool) -> Any:
        how = self.size, self.stride, self.padding, 1, self.ceil_mode
        wide = x.float() if x.dtype == torch.bfloat16 else x  # twice as fast, and equal
        x_out, index = nn.functional.max_pool2d(last(wide), *how, return_indices=True)
        x_out = x_out.relu_() if self.relu else x_out
        return (x_out.to(x.dtype), index) if indices else x_out.to(x.dtype)

    def _chosen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x_out, and the index of each entry in its window: two a byte."""
        (x_out, index), (W, device) = self._pooled(x, True), (x.shape[3], x.device)
        first = _first(*index.shape[2:], self.stride, self.padding * (W + 1), W, device)
        which = _which(self.size, W, device).index_select(0, _flat(index.sub_(first)))
        if self.relu:
            which.mul_(_flat(x_out.bool().view(torch.uint8)))
        if len(which) % 2:
            which = nn.functional.pad(which, (0, 1))
        half = len(which) // 2
        return x_out, torch.add(which[:half], which[half:], alpha=16)

    def backward(self, g, shapes, bits):
        g = g.permute(0, 2, 3, 1)
        x = g.new_zeros(len(g), *self._padded(shapes[0], g.shape[1:3]))
        for images, g_images, entries, mask in self._looked_up(x, g, shapes[0], bits):
            into = mask if len(images) == 1 else torch.empty_like(mask)
            for image, g_image in zip(images, g_images, strict=True):
                image.scatter_add_(0, entries, torch.mul(mask, g_image, out=into).view(-1))
        return (self._cropped(x, shapes[0]),)

    def jvp(self, dx, shapes, bits):
        (dx,) = dx
        h, w = self.output_shape(shapes[0])[2:]
        x = dx.new_zeros(len(dx), *self._padded(shapes[0], (h, w)))
        self._cropped(x, dx.shape).copy_(dx)
        x_out = x.new_empty(len(dx), h, w, dx.shape[1])
        for images, into, entries, mask in self._looked_up(x, x_out, shapes[0], bits):
            for image, dx_out in zip(images, into, strict=True):
                torch.mul(mask, image.index_select(0, entries).view(dx_out.shape), out=dx_out)
        return x_out.permute(0, 3, 1, 2)

    def _looked_up(self, x: Tensor, g: Tensor, shape: torch.Size, bits: Tensor) -> Any:
        """For each image: K x, each flat; K g; the largest entries' indices in x; and 1 where relu is not flat."""
        (_, _, W, C), B, (h, w) = x.shape, shape[0], g.shape[1:3]
        groups = self._groups(torch.Size((B, C, h, w)))
        if not groups:
            return
        K, b = len(g) // B, B // groups
        offsets, ones = _tables(self.size, W * C, C, g.dtype, g.device)
        first = _entries(h, w, self.stride, W, C, g.device)
        if groups < B:
            first = first + (torch.arange(B, device=g.device) * x[0].numel()).view(-1, 1, 1)
        n = g.numel() // (groups * K)
        images, g_images = x.view(K, groups, -1), g.view(K, groups, b, h, w, C)
        for i, packed in enumerate(bits.view(groups, -1)):
            byte = packed.int()
            entries, mask = _read(offsets, byte)[:n], _read(ones, byte)[:n]
            yield images[:, i], g_images[:, i], entries.view(first.shape).add_(first).view(-1), mask.view(b, h, w, C)

    def output_shape(self, image: torch.Size) -> torch.Size:
        """The shape of x_out."""
        return _pooled_shape(image, self.size, self.stride, self.padding, self.ceil_mode)

    @staticmethod
    def _groups(shape: torch.Size) -> int:
        """Into how many groups of images the lookup is divided."""
        return shape[0] if shape[1:].numel() >= LARGE else min(shape[0], 1)

    def _padded(self, image: Sequence[int], windows: Sequence[int]) -> tuple[int, ...]:
        """[H, W, C], with the padding that the windows cover."""
        _, C, *sizes = image
        s, k, p = self.stride, self.size, self.padding
        H, W = (max((o - 1) * s + k, n + 2 * p) for o, n in zip(windows, sizes, strict=True))
        return H, W, C

    def _cropped(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        p = self.padding
        return x[:, p : p + shape[2], p : p + shape[3]].permute(0, 3, 1, 2)


@functools.lru_cache(64)
def _pooled_shape(image: torch.Size, size: int, stride: int, padding: int, ceil_mode: bool) -> torch.Size:
    x = torch.empty(image, device="meta")
    return nn.functional.max_pool2d(x, size, stride, padding, 1, ceil_mode).shape


@functools.lru_cache(64)
def _first(h: int, w: int, stride: int, less: int, W: int, device: torch.device) -> Tensor:
    """The index of each window's first entry in a flattened image of width W: [h, w]."""
    y, x = (torch.arange(n, device=device) * stride for n in (h, w))
    return y[:, None] * W + x - less


@functools.lru_cache(64)
def _entries(h: int, w: int, stride: int, W: int, C: int, device: torch.device) -> Tensor:
    """The same in a flattened channels-last image of C channels: [h w, C]."""
    return _first(h, w, stride, 0, W, device).view(-1, 1) * C + torch.arange(C, device=device)


@functools.lru_cache(64)
def _which(size: int, W: int, device: torch.device) -> Tensor:
    """Offset from the window's first entry, in a flattened image of width W → 1 + index in the window."""
    place = torch.arange(size)
    table = torch.zeros((size - 1) * W + size, dtype=torch.uint8)
    table[(place[:, None] * W + place).view(-1)] = torch.arange(1, size**2 + 1, dtype=torch.uint8)
    return table.to(device)


@functools.lru_cache(64)
def _tables(size: int, row: int, column: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """A byte → the offsets of its two entries from the first of their windows, and their masks: [2, 256] each."""
    place = torch.arange(size)
    offsets, ones = torch.zeros(16, dtype=torch.int64), torch.zeros(16, dtype=dtype)
    offsets[1 : size**2 + 1] = (place[:, None] * row + place * column).view(-1)
    ones[1:] = 1
    byte = torch.arange(256)
    halves = torch.stack([byte % 16, byte // 16])
    return offsets[halves].to(device), ones[halves].to(device)


def _flat(x: Tensor) -> Tensor:
    """An image as one row, in channels-last order."""
    return x.permute(0, 2, 3, 1).reshape(-1)


def _read(table: Tensor, byte: Tensor) -> Tensor:
    """table [2, 256], byte [n] → [2 n]."""
    found = table.new_empty(2, len(byte))
    for half, into in zip(table, found, strict=True):
        torch.index_select(half, 0, byte, out=into)
    return found.view(-1)
