"""Pointwise layers (section 14.6.2), and softmax."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class ReLU(nn.ReLU):
    """`at_zero` is h'(0): 1 in the chapter (14.32), 0 in PyTorch."""

    def __init__(self, inplace: bool = False, at_zero: float = 1):
        super().__init__(inplace)
        self.at_zero = at_zero

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, at_zero=self.at_zero)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, [super().extra_repr(), "" if self.at_zero == 1 else f"at_zero={self.at_zero}"]))


class LeakyReLU(nn.LeakyReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)


class Sigmoid(nn.Sigmoid):
    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(nn.Tanh):
    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class GELU(nn.GELU):
    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)


class SiLU(nn.SiLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input)


class Softplus(nn.Softplus):
    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)


class ELU(nn.ELU):
    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha)


class Softmax(nn.Softmax):
    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(nn.Softmin):
    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(nn.LogSoftmax):
    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)
