"""Channels become pixels, pixels channels, and channels change places: each a reshape, a permute, a reshape.

pixel_shuffle     [..., C r r, H, W] = [..., C, r, r, H, W] → [..., C, H, r, W, r] = [..., C, H r, W r]
channel_shuffle   [B, C, ...] = [B, n, C/n, ...] → [B, C/n, n, ...]
"""

from __future__ import annotations

from torch import Tensor

from ..shape import ShapeError, in_words
from .arrange import permute, reshape, transpose


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """input [..., C r², H, W] → [..., C, H r, W r], as `torch.nn.functional.pixel_shuffle`.

    Raises:
        ShapeError: there are fewer than three axes, or r² does not divide the channels.
    """
    r = _factor("pixel_shuffle", input, upscale_factor)
    *batch, C, H, W = input.shape
    if C % r**2:
        raise ShapeError(f"pixel_shuffle: {r}² has to divide the channels; it was given input {in_words(input)}.")
    b, C = len(batch), C // r**2
    x = permute(reshape(input, (*batch, C, r, r, H, W)), (*range(b + 1), b + 3, b + 1, b + 4, b + 2))
    return reshape(x, (*batch, C, H * r, W * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """input [..., C, H r, W r] → [..., C r², H, W], as `torch.nn.functional.pixel_unshuffle`.

    Raises:
        ShapeError: there are fewer than three axes, or r does not divide height and width.
    """
    r = _factor("pixel_unshuffle", input, downscale_factor)
    *batch, C, H, W = input.shape
    if H % r or W % r:
        raise ShapeError(f"pixel_unshuffle: {r} has to divide H and W; it was given input {in_words(input)}.")
    b, H, W = len(batch), H // r, W // r
    x = permute(reshape(input, (*batch, C, H, r, W, r)), (*range(b + 1), b + 2, b + 4, b + 1, b + 3))
    return reshape(x, (*batch, C * r**2, H, W))


def _factor(name: str, input: Tensor, r: int) -> int:
    if input.ndim < 3 or r <= 0:
        raise ShapeError(
            f"{name}: it expects input [..., C, H, W] and a positive factor; it was given {in_words(input)}, {r}."
        )
    return r


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """input [B, C, ...], its channels dealt out by groups, as `torch.nn.functional.channel_shuffle`.

    Raises:
        ShapeError: there are fewer than three axes, or `groups` does not divide the channels.
    """
    if input.ndim < 3 or groups <= 0 or input.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: it expects input [B, C, ...] and groups that divide C; it was given {in_words(input)}, "
            f"groups={groups}."
        )
    B, C, *places = input.shape
    return reshape(transpose(reshape(input, (B, groups, C // groups, *places)), 1, 2), input.shape)
