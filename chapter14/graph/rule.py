"""Update rules for θ: (14.9), and those in common use, with the letters and defaults of `torch.optim`.

    SGD            θ <- θ - η d,            d = dJ/dθ + λ θ                                      (14.9) has λ = 0
    momentum μ     θ <- θ - η v,            v <- μ v + (1 - τ) d          v = d the first time
    Nesterov       θ <- θ - η (d + μ v)
    Adam           θ <- θ - η m^ / (√v^ + ε)
                   m <- β1 m + (1 - β1) d,  v <- β2 v + (1 - β2) d²       m^ = m / (1 - β1^t),  v^ = v / (1 - β2^t)
    AdamW          Adam, with d = dJ/dθ, and θ <- (1 - η λ) θ before

dJ/dθ of a linear layer is a product, g_out^T x_in (14.29). SGD and momentum never compute it on its own: they
accumulate the product directly into θ or v.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .sharing import sum_over_copies


class FactoredGradient:
    """dJ/dθ = a b, not multiplied out: a [M, B], and b [B, N] or [B]."""

    __slots__ = ("a", "b")

    def __init__(self, a: Tensor, b: Tensor):
        self.a, self.b = a, b

    def into(self, t: Tensor, beta: float, alpha: float) -> None:
        """t ← β t + α dJ/dθ."""
        if t.ndim == 1:
            t.addmv_(self.a, self.b, beta=beta, alpha=alpha)
        elif self.a.shape[1] > 1:
            t.addmm_(self.a, self.b, beta=beta, alpha=alpha)
        elif beta:  # for one datapoint, an outer product (figure 14.9): addcmul_ takes half the time of addmm_
            (t if beta == 1 else t.mul_(beta)).addcmul_(self.a, self.b, value=alpha)
        else:
            torch.mul(self.a, self.b, out=t)
            if alpha != 1:
                t.mul_(alpha)

    def whole(self) -> Tensor:
        return self.a @ self.b


class WholeGradient:
    """dJ/dθ as one tensor."""

    __slots__ = ("gradient",)

    def __init__(self, gradient: Tensor):
        self.gradient = gradient

    def into(self, t: Tensor, beta: float, alpha: float) -> None:
        """t ← β t + α dJ/dθ."""
        if beta != 1:
            t.mul_(beta) if beta else t.zero_()  # NaN times 0 would stay NaN
        t.add_(self.gradient, alpha=alpha)


class Rule:
    """How θ is updated. `lr` may be set at any time. A rule keeps state for each θ, and serves one chain.

    Raises:
        ValueError: `lr` or `weight_decay` is negative.
    """

    def __init__(self, lr: float, weight_decay: float, maximize: bool):
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise ValueError(f"{type(self).__name__}: {name} is 0 or more; it was given {value}.")
        self.lr, self.weight_decay, self.sign = float(lr), weight_decay, -1 if maximize else 1
        self._state: dict[int, Any] = {}

    #: Whether it is (14.9) and nothing else.
    is_plain = False

    def move(self, theta: Tensor, gradient: FactoredGradient | WholeGradient) -> None:
        """Updates θ, now or in `end`. A θ is the same tensor object at every step."""
        raise NotImplementedError

    def end(self) -> None:
        """Ends a step: `move` has been called for every θ."""

    def update(self, layers: Sequence[Any], gradients: Sequence[Sequence[Tensor | None]]) -> None:
        """A whole step, for chains that have the gradient of every layer."""
        self.move_all(layers, gradients)
        self.end()

    @torch.no_grad()
    def move_all(self, layers: Sequence[Any], gradients: Sequence[Sequence[Tensor | None]]) -> None:
        """Updates each `theta` of the layers, a shared one by the sum of its gradients (14.47)."""
        thetas = [theta for f in layers for theta in f.theta]
        for theta, gradient in sum_over_copies(thetas, [g for dJdtheta in gradients for g in dJdtheta]):
            self.move(theta, WholeGradient(gradient))


class SGD(Rule):
    """As `torch.optim.SGD`."""

    def __init__(
        self, lr: float = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False, *, maximize: bool = False,
    ):  # fmt: skip
        super().__init__(lr, weight_decay, maximize)
        if not momentum >= 0:
            raise ValueError(f"SGD: momentum is 0 or more; it was given {momentum}.")
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("SGD: nesterov takes a momentum and no dampening.")
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov
        self.is_plain = not (momentum or weight_decay or maximize)

    def move(self, theta: Tensor, gradient: FactoredGradient | WholeGradient) -> None:
        lr, decay, sign = self.lr, self.weight_decay, self.sign
        if not (mu := self.momentum):
            return gradient.into(theta, 1 - lr * decay, -lr * sign)
        if id(theta) in self._state:
            (_, v), beta, share = self._state[id(theta)], mu, 1 - self.dampening
        else:
            v, beta, share = torch.empty_like(theta), 0.0, 1.0
            self._state[id(theta)] = theta, v
        gradient.into(v, beta, share * sign)
        if decay:
            v.add_(theta, alpha=share * decay)
        if self.nesterov:
            gradient.into(theta, 1 - lr * decay, -lr * sign)
            theta.add_(v, alpha=-lr * mu)
        else:
            theta.add_(v, alpha=-lr)


class Adam(Rule):
    """As `torch.optim.Adam`. All θ are updated together at the end of the step, in one pass over memory."""

    decoupled = False

    def __init__(
        self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        amsgrad: bool = False, *, maximize: bool = False,
    ):  # fmt: skip
        super().__init__(lr, weight_decay, maximize)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"{type(self).__name__}: betas are in [0, 1); it was given {betas}.")
        if not eps >= 0:
            raise ValueError(f"{type(self).__name__}: eps is 0 or more; it was given {eps}.")
        self.betas, self.eps, self.amsgrad = betas, eps, amsgrad
        self._moved: dict[int, tuple] = {}

    def move(self, theta: Tensor, gradient: FactoredGradient | WholeGradient) -> None:
        state = self._state.get(id(theta))
        if state is None:
            d, m, v, *v_max = (torch.zeros_like(theta) for _ in range(3 + self.amsgrad))
            t = torch.zeros((), device=theta.device)
            state = self._state[id(theta)] = theta, d, m, v, t, *v_max
        gradient.into(state[1], 0.0, 1.0)
        self._moved[id(theta)] = state

    def end(self) -> None:
        if not self._moved:
            return
        theta, d, m, v, t, *v_max = map(list, zip(*self._moved.values(), strict=True))
        self._moved = {}
        torch._foreach_add_(t, 1)
        step = torch._fused_adamw_ if self.decoupled else torch._fused_adam_  # what torch.optim calls for `fused=True`
        step(  # type: ignore[call-overload]
            theta, d, m, v, *(v_max or [[]]), t, lr=self.lr, beta1=self.betas[0], beta2=self.betas[1],
            weight_decay=self.weight_decay, eps=self.eps, amsgrad=self.amsgrad, maximize=self.sign < 0,
        )  # fmt: skip


class AdamW(Adam):
    """As `torch.optim.AdamW`."""

    decoupled = True

    def __init__(
        self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
    ):  # fmt: skip
        super().__init__(lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
