"""Unfold and fold: the patches of an image as columns, and the transpose.

    unfold  x_out[c k, p] = x_in[c, p s + k d - pad]           [B, C, H, W] → [B, C K K, number of patches]
    fold    its transpose: each entry of a column is added where it was read

with stride s and dilation d. A convolution is an unfold and a product with W.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as native

from ...layer.base import LinearMap


class Patches(NamedTuple):
    """The position of the patches; a number for both axes, or one each."""

    kernel_size: int | Sequence[int]
    dilation: int | Sequence[int]
    padding: int | Sequence[int]
    stride: int | Sequence[int]


class Unfold(LinearMap):
    @staticmethod
    def forward(x, patches):
        return native.unfold(x, *patches)

    @staticmethod
    def transpose(g, shape, patches):
        return Fold.of(g, tuple(shape[-2:]), patches)


class Fold(LinearMap):
    @staticmethod
    def forward(x, size, patches):
        return native.fold(x, size, *patches)

    @staticmethod
    def transpose(g, shape, size, patches):
        return Unfold.of(g, patches)


def unfold(
    input: Tensor, kernel_size: int | Sequence[int], dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0, stride: int | Sequence[int] = 1,
) -> Tensor:  # fmt: skip
    """input [B, C, H, W] → [B, C K K, patches], as `torch.nn.functional.unfold`."""
    return Unfold.of(input, Patches(kernel_size, dilation, padding, stride))


def fold(
    input: Tensor, output_size: int | Sequence[int], kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, stride: int | Sequence[int] = 1,
) -> Tensor:  # fmt: skip
    """input [B, C K K, patches] → [B, C, *output_size], as `torch.nn.functional.fold`."""
    return Fold.of(input, output_size, Patches(kernel_size, dilation, padding, stride))
