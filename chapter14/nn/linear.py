"""Linear layers (section 14.6.1)."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)


class Bilinear(nn.Bilinear):
    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)
