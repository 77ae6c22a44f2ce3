"""Convolutions, as torch calls them by their general name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ... import functional as F
from ...shape import ShapeError, in_words
from ..table import stands_for


@stands_for("convolution", "_convolution")
def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int, *kernels: bool,
) -> Tensor:  # fmt: skip
    """`kernels` chooses among torch's own."""
    axes = weight.ndim - 2
    if axes not in (1, 2, 3):
        raise ShapeError(f"convolution: it expects weight [M, C, *] of 1 to 3 axes; it was given {in_words(weight)}.")
    if transposed:
        run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[axes - 1]
        return run(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return (F.conv1d, F.conv2d, F.conv3d)[axes - 1](input, weight, bias, stride, padding, dilation, groups)
