"""Patches of an image."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class Unfold(nn.Unfold):
    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(nn.Fold):
    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
