"""Layers in preallocated memory: what a `Chain` uses for linear and relu. The folder's `__init__` says how it works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..rule import FactoredGradient, Rule

#: The most multiplications of a product that is left to numpy: neither numpy nor PyTorch would use a second thread.
TINY = 9216


class Kernel(NamedTuple):
    """The passes of one layer, as functions whose operands are fixed."""

    forward: Callable[[], Any]
    backward: Callable[[], Any]
    #: Each θ and its gradient.
    gradients: Sequence[tuple[Tensor, FactoredGradient]] = ()
    #: θ ← θ - lr dJ/dθ (14.9), by lr.
    update: Callable[[float], Any] | None = None
    #: `backward` and `update` in one, where that is faster.
    descend: Callable[[float], Any] | None = None


class PreallocatedLayer:
    """A layer of a chain, whose x_in [..., N], x_out [..., M] and gradients stay in the same memory."""

    theta: Sequence[Tensor] = ()
    #: The layer before it in the chain, if that is preallocated too: then they share memory.
    before: PreallocatedLayer | None = None

    def __init__(self) -> None:
        self.free()

    def free(self) -> None:
        """Drops the memory."""
        self._made_for = self._kernel = self._x_in = self.x_out = self.g_in = self.g_out = None  # type: Any

    def shape_out(self, x_in: Tensor) -> Sequence[int]:
        """The shape of x_out.

        Raises:
            ShapeError: x_in does not fit.
        """
        raise NotImplementedError

    def kernel(self, x: Tensor, x_out: Tensor, g_in: Tensor, g_out: Tensor) -> Kernel:
        """The passes between x and g_in [B, N], x_out and g_out [B, M]."""
        raise NotImplementedError

    def forward(self, x_in: Tensor) -> Tensor:
        """x_in [..., N] → x_out [..., M]."""
        if x_in is not self._x_in:
            shared = self.before is not None and x_in is self.before.x_out
            if shared or self._made_for != (x_in.shape, x_in.dtype, x_in.device):
                self._allocate(x_in, shared)
            if not shared:
                self._x_in.copy_(x_in)
        self._kernel.forward()
        return self.x_out

    def _allocate(self, x_in: Tensor, shared: bool) -> None:
        x_out = x_in.new_empty(self.shape_out(x_in))
        self._x_in = x_in if shared else x_in.new_empty(x_in.shape)
        self.g_in = self.before.g_out if shared and self.before else torch.empty_like(self._x_in)
        self.x_out, self.g_out = x_out, torch.empty_like(x_out)
        self._kernel = self.kernel(*map(_rows, (self._x_in, x_out, self.g_in, self.g_out)))
        self._made_for = None if shared else (x_in.shape, x_in.dtype, x_in.device)

    def backward(self, g_out: Tensor) -> tuple[Tensor, ...]:
        """g_out [..., M] → g_in, then dJ/dθ for each θ."""
        if g_out is not self.g_out:
            self.g_out.copy_(g_out)
        self._kernel.backward()
        return self.g_in, *(gradient.whole() for _, gradient in self._kernel.gradients)

    def update(self, *dJdtheta: Tensor, lr: float) -> None:
        """θ ← θ - η dJ/dθ, (14.9)."""
        for theta, gradient in zip(self.theta, dJdtheta, strict=True):
            theta.sub_(gradient, alpha=lr)

    def descend(self, g_out: Tensor, lr: float | Rule, wants_g_in: bool) -> Tensor | None:
        """`backward` and `update` in one: g_in by the θ before the update, or None where it is not wanted."""
        if g_out is not self.g_out:
            self.g_out.copy_(g_out)
        kernel = self._kernel
        if isinstance(lr, Rule):
            if wants_g_in:
                kernel.backward()
            for theta, gradient in kernel.gradients:
                lr.move(theta, gradient)
        elif wants_g_in and kernel.descend:
            kernel.descend(lr)
        else:
            if wants_g_in:
                kernel.backward()
            if kernel.update:
                kernel.update(lr)
        return self.g_in if wants_g_in else None


def seen_by_numpy(*tensors: Tensor) -> bool:
    """Whether numpy can work in their memory."""
    dtypes = (torch.float32, torch.float64)
    return all(type(t) is Tensor and t.device.type == "cpu" and t.dtype in dtypes for t in tensors)


def _rows(x: Tensor) -> Tensor:
    """x [..., N] → [B, N], the same memory."""
    return x.view(x.shape[:-1].numel(), x.shape[-1] if x.ndim else 1)
