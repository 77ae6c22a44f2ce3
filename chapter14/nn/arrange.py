"""Modules that change the shape alone."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F
from .fallback import or_natively


class Flatten(nn.Flatten):
    @or_natively(nn.Flatten.forward)
    def forward(self, input: Tensor) -> Tensor:
        return F.flatten(input, self.start_dim, self.end_dim)


class Unflatten(nn.Unflatten):
    @or_natively(nn.Unflatten.forward)
    def forward(self, input: Tensor) -> Tensor:
        return F.unflatten(input, self.dim, self.unflattened_size)
