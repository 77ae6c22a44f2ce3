"""Linear layers (section 14.6.1)."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)
