"""Convolution, pooling and sampling, as torch calls them beneath torch.nn.functional and torch.nn's modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ... import functional as F
from ...layer.shape import ShapeError, in_words


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int, *kernels: bool,
) -> Tensor:  # fmt: skip
    """`kernels`: which of torch's kernels may be used."""
    axes = weight.ndim - 2
    if axes not in (1, 2, 3):
        raise ShapeError(f"convolution: it expects weight [M, C, *] of 1 to 3 axes; it was given {in_words(weight)}.")
    if transposed:
        run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[axes - 1]
        return run(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return (F.conv1d, F.conv2d, F.conv3d)[axes - 1](input, weight, bias, stride, padding, dilation, groups)


def _max_with_indices(pool: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    """The form that always returns the indices; torch.nn.functional's has the keyword, torch's has not."""

    def call(*args: Any, return_indices: bool = True, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return pool(*args[:6], **kwargs, return_indices=True)

    return call


def _adaptive_with_indices(pool: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    return lambda input, output_size, return_indices=True: pool(input, output_size, return_indices=True)


def _fractional_with_indices(pool: Callable[..., Any]) -> Callable[..., tuple[Tensor, Tensor]]:
    def call(
        input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
        return_indices: bool = True, _random_samples: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        return pool(input, kernel_size, output_size, output_ratio, True, _random_samples)

    return call


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    return F.grid_sample(input, grid, mode, ("zeros", "border", "reflection")[padding_mode], align_corners)


CALLS = {
    "convolution _convolution": convolution,
    "grid_sampler grid_sampler_2d grid_sampler_3d": grid_sampler,
    "affine_grid_generator": F.affine_grid,
    "nn.functional.fractional_max_pool2d_with_indices": _fractional_with_indices(F.fractional_max_pool2d),
    "nn.functional.fractional_max_pool3d_with_indices": _fractional_with_indices(F.fractional_max_pool3d),
}  # fmt: skip
for _axes in (1, 2, 3):
    _max, _adaptive_max = (getattr(F, f"{kind}max_pool{_axes}d") for kind in ("", "adaptive_"))
    CALLS |= {
        f"max_pool{_axes}d": _max,
        f"max_pool{_axes}d_with_indices nn.functional.max_pool{_axes}d_with_indices": _max_with_indices(_max),
        f"nn.functional.adaptive_max_pool{_axes}d_with_indices": _adaptive_with_indices(_adaptive_max),
        f"{'_VF' if _axes == 1 else '_C._nn'}.adaptive_max_pool{_axes}d": _adaptive_with_indices(_adaptive_max),
        f"avg_pool{_axes}d": getattr(F, f"avg_pool{_axes}d"),
        f"adaptive_avg_pool{_axes}d": getattr(F, f"adaptive_avg_pool{_axes}d"),
    }
