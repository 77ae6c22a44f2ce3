"""Rearrangements of channels and pixels, each the inverse and the transpose of another.

pixel_shuffle     [..., C r r, H, W] = [..., C, r, r, H, W] → [..., C, H, r, W, r] = [..., C, H r, W r]
pixel_unshuffle   its transpose
channel_shuffle   [B, C, ...] = [B, n, C/n, ...] → [B, C/n, n, ...]; its transpose is that of C/n groups
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as native

from ...layer.base import LinearMap
from ...layer.shape import ShapeError, was_given
from .arrange import reshape


class PixelShuffle(LinearMap):
    title = "pixel_shuffle"

    forward = staticmethod(native.pixel_shuffle)

    @staticmethod
    def transpose(g, shape, r):
        return PixelUnshuffle.of(g, r)


class PixelUnshuffle(LinearMap):
    title = "pixel_unshuffle"

    forward = staticmethod(native.pixel_unshuffle)

    @staticmethod
    def transpose(g, shape, r):
        return PixelShuffle.of(g, r)


class ChannelShuffle(LinearMap):
    title = "channel_shuffle"

    forward = staticmethod(native.channel_shuffle)

    @staticmethod
    def transpose(g, shape, groups):
        return ChannelShuffle.of(g, shape[1] // groups)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """input [..., C r², H, W] → [..., C, H r, W r], as `torch.nn.functional.pixel_shuffle`.

    Raises:
        ShapeError: there are fewer than three axes, or r² does not divide the channels.
    """
    r = _factor("pixel_shuffle", input, upscale_factor)
    *batch, C, H, W = input.shape
    if C % r**2:
        raise ShapeError(f"pixel_shuffle: {r}² has to divide the channels; {was_given(input=input)}")
    if not input.numel():  # whose shape the kernel keeps
        return reshape(input, (*batch, C // r**2, H * r, W * r))
    return PixelShuffle.of(input, r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """input [..., C, H r, W r] → [..., C r², H, W], as `torch.nn.functional.pixel_unshuffle`.

    Raises:
        ShapeError: there are fewer than three axes, or r does not divide height and width.
    """
    r = _factor("pixel_unshuffle", input, downscale_factor)
    *batch, C, H, W = input.shape
    if H % r or W % r:
        raise ShapeError(f"pixel_unshuffle: {r} has to divide H and W; {was_given(input=input)}")
    if not input.numel():
        return reshape(input, (*batch, C * r**2, H // r, W // r))
    return PixelUnshuffle.of(input, r)


def _factor(name: str, input: Tensor, r: int) -> int:
    if input.ndim < 3 or r <= 0:
        raise ShapeError(f"{name}: it expects input [..., C, H, W], factor > 0; {was_given(input=input, factor=r)}")
    return r


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """input [B, C, ...], its channels dealt out by groups, as `torch.nn.functional.channel_shuffle`.

    Raises:
        ShapeError: there are fewer than three axes, or `groups` does not divide the channels.
    """
    if input.ndim < 3 or groups <= 0 or input.shape[1] % groups:
        given = was_given(input=input, groups=groups)
        raise ShapeError(f"channel_shuffle: it expects input [B, C, ...] and groups that divide C; {given}")
    return ChannelShuffle.of(input, groups) if input.numel() else reshape(input, input.shape)
