"""Backpropagation over batches (section 14.5).

    d(1/N sum_i J_i)/dθ = 1/N sum_i dJ_i/dθ          (14.11)

The left is one backward pass over the batch. The right keeps the datapoints apart, each with its own gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from ..layer.shape import was_given


def per_datapoint_gradients(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> dict[str, Tensor]:
    """dJ_i/dθ for each datapoint i: x [B, *], y [B, *] → {name of θ: [B, *θ]}. All in one pass.

    J_i is the loss of the batch that has x[i] and y[i] alone in it, so its mean over i is what `mean_gradients` gives,
    as long as no datapoint has a part in another's J: batch norm in training is no such model.

    Raises:
        ValueError: x and y are not batches of as many datapoints.
    """
    _must_be_batches("per_datapoint_gradients", x, y)
    theta = _parameters(model)

    def J(theta: dict[str, Tensor], x_i: Tensor, y_i: Tensor) -> Tensor:
        return loss(functional_call(model, theta, (x_i[None],)), y_i[None])

    return vmap(grad(J), in_dims=(None, 0, 0), randomness="different")(theta, x, y)


def mean_gradients(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> dict[str, Tensor]:
    """dJ/dθ for J the mean over the batch, (14.11): x [B, *], y [B, *] → {name of θ: [*θ]}.

    Raises:
        ValueError: x and y are not batches of as many datapoints.
    """
    _must_be_batches("mean_gradients", x, y)
    theta = _parameters(model)
    J = loss(functional_call(model, theta, (x,)), y)
    return dict(zip(theta, torch.autograd.grad(J, list(theta.values())), strict=True))


def _parameters(model: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _must_be_batches(function: str, x: Tensor, y: Tensor) -> None:
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(f"{function}: x [B, ...] and y [B, ...] are as many datapoints; {was_given(x=x, y=y)}")
