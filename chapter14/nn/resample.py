"""Images in another size."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class Upsample(nn.Upsample):
    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )


class UpsamplingNearest2d(nn.UpsamplingNearest2d):
    forward = Upsample.forward


class UpsamplingBilinear2d(nn.UpsamplingBilinear2d):
    forward = Upsample.forward
