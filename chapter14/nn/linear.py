"""Linear layers (section 14.6.1)."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F
from .fallback import or_natively


class Linear(nn.Linear):
    @or_natively(nn.Linear.forward)
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)


class LazyLinear(nn.LazyLinear):
    cls_to_become = Linear  # type: ignore[assignment]
    forward = Linear.forward  # looked up for the first call before the class changes
