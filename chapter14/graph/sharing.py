"""Parameter sharing (section 14.8): one θ sent to many layers is a branch; the gradients of its copies add up.

    θ^i = θ, i = 1, ..., N          branch(θ)
    dJ/dθ = sum_i dJ/dθ^i           (14.47)

The copies may be in different layers (tied weights) or at different times (`unrolled`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..layers.core.branch import add_n, branch


def copy_by_copy(J: Callable[..., Tensor], theta: Tensor, n: int) -> tuple[Tensor, ...]:
    """dJ/dθ^i for each of the n copies of θ, where J(θ^1, ..., θ^n) is one number. Their sum is dJ/dθ.

    Raises:
        ValueError: n is less than 1.
    """
    with torch.enable_grad():
        copies = branch(theta.detach().requires_grad_(), n)
        return torch.autograd.grad(J(*copies), copies, materialize_grads=True)


def unrolled(f: Callable[[Any, Any], Any], x0: Any, thetas: Sequence[Any]) -> Any:
    """x_t = f(x_{t-1}, θ^t) through time, from x_0 to the last: the same layer at each time, with its own θ^t."""
    return functools.reduce(f, thetas, x0)


def sum_over_copies(thetas: Iterable[Tensor], gradients: Iterable[Tensor | None]) -> list[tuple[Tensor, Tensor]]:
    """Each θ with dJ/dθ (14.47), from copies and their gradients, as a `Chain` or a `Graph` has them; None counts as 0.

    Copies are recognised by their memory: tensors with the same address, shape and strides are one θ.

    Raises:
        ValueError: there are not as many gradients as copies.
    """
    groups: dict[tuple, tuple[Tensor, list[Tensor]]] = {}
    for theta, gradient in zip(thetas, gradients, strict=True):
        if gradient is not None:
            place = theta.data_ptr(), theta.shape, theta.stride()
            groups.setdefault(place, (theta, []))[1].append(gradient)
    return [(theta, add_n(*copies)) for theta, copies in groups.values()]
