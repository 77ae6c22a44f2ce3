"""Pointwise modules (section 14.6.2)."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F
from .fallback import or_natively


class ReLU(nn.ReLU):
    """`at_zero` is h'(0): 1 in the chapter (14.32), 0 in PyTorch."""

    def __init__(self, inplace: bool = False, at_zero: float = 1):
        super().__init__(inplace)
        self.at_zero = at_zero

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace, self.at_zero)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, [super().extra_repr(), "" if self.at_zero == 1 else f"at_zero={self.at_zero}"]))


class TorchReLU(ReLU):
    """The counterpart of PyTorch's, in a converted model: h'(0) is 0; name and repr are PyTorch's."""

    at_zero = 0
    forward = or_natively(nn.ReLU.forward)(ReLU.forward)
    extra_repr = nn.ReLU.extra_repr


TorchReLU.__name__ = "ReLU"  # code that compares names of classes finds it; pickle reads `__qualname__`
