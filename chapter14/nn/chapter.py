"""The chapter's own modules: branch, merge, any h with its h', the L2 loss."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from .. import functional as F


class Branch(nn.Module):
    """x_in → n copies of it (14.38). In the backward pass their gradients add up (14.46)."""

    def __init__(self, n: int = 2):
        super().__init__()
        self.n = n

    def forward(self, x_in: Tensor) -> tuple[Tensor, ...]:
        return F.branch(x_in, self.n)

    def extra_repr(self) -> str:
        return f"n={self.n}"


class Merge(nn.Module):
    """x_in^a, x_in^b, ... → one tensor (14.37), along `dim`; with `dim=None`, all flattened to vectors."""

    def __init__(self, dim: int | None = -1):
        super().__init__()
        self.dim = dim

    def forward(self, *x_in: Tensor) -> Tensor:
        return F.merge(*x_in, dim=self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Pointwise(nn.Module):
    """x_out = h(x_in) for any h with derivative h_prime (14.30); both map a tensor to one of its shape."""

    def __init__(self, h: Callable[[Tensor], Tensor], h_prime: Callable[[Tensor], Tensor]):
        super().__init__()
        self.h, self.h_prime = h, h_prime

    def forward(self, x_in: Tensor) -> Tensor:
        return F.pointwise(x_in, self.h, self.h_prime)

    def extra_repr(self) -> str:
        return ", ".join(getattr(f, "__name__", repr(f)) for f in (self.h, self.h_prime))


class L2Loss(nn.Module):
    """The mean over the datapoints of ‖ŷ - y‖², (14.34); their sum or each, by `reduction`."""

    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        return F.l2_loss(y_hat, y, self.reduction)
