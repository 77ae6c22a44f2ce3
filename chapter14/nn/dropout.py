"""Dropout."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class Dropout(nn.Dropout):
    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)
