"""Modules that only move entries."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class Flatten(nn.Flatten):
    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)


class Unflatten(nn.Unflatten):
    def forward(self, input: Tensor) -> Tensor:
        return F.unflatten(input, self.dim, self.unflattened_size)


class PixelShuffle(nn.PixelShuffle):
    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(nn.PixelUnshuffle):
    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(nn.ChannelShuffle):
    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)
