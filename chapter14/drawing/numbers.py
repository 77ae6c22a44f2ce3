"""The numbers of the figures: inputs, and the values and gradients that this package computes, in float64.

chain     three layers x_l = tanh(θ_l x_{l-1}) and an L2 loss              figures 14.2 to 14.7
mlp       the MLP of figure 14.15, from the lesson                         figures 14.1, 14.15, 14.16
linear    one linear layer, and a g_out                                    figures 14.8 to 14.11
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import functional as F
from ..graph.block import Block
from ..graph.dag import Graph
from ..layer.jacobians import jacobian
from ..lesson.examples import EXAMPLES, numbers


class Passes(NamedTuple):
    """Values and gradients by name; a θ is an input (14.1)."""

    x: dict[str, Tensor]
    g: dict[str, Any]


def float64(values: Sequence) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def f(x: Tensor, theta: Tensor) -> Tensor:
    """A generic layer, x_out = tanh(θ x_in)."""
    return F.tanh(F.linear(x, theta))


def chain() -> Passes:
    graph = Graph(
        inputs="x_0 theta_1 theta_2 theta_3 y",
        layers={
            "x_1": (lambda x, theta: f(x, theta), "x_0", "theta_1"),
            "x_2": (lambda x, theta: f(x, theta), "x_1", "theta_2"),
            "x_3": (lambda x, theta: f(x, theta), "x_2", "theta_3"),
            "J": (F.l2_loss, "x_3", "y"),
        },
    )
    graph.forward(
        x_0=float64([1, -0.5]),
        theta_1=float64([[0.8, -0.4], [0.3, 1.1]]),
        theta_2=float64([[-0.5, 0.9], [1.2, 0.2]]),
        theta_3=float64([[0.7, -0.6], [0.4, 0.9]]),
        y=float64([0.5, -0.25]),
    )
    graph.backward()
    return Passes(graph.x, graph.g)


def chain_jacobians(values: dict[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """L^x and L^θ of the three layers (14.6), (14.7)."""
    both = [jacobian(f, values[f"x_{l - 1}"], values[f"theta_{l}"]) for l in (1, 2, 3)]
    return [L_x for L_x, _ in both], [L_theta for _, L_theta in both]


def example(name: str) -> Passes:
    """An example of the lesson, with relu."""
    found = numbers(EXAMPLES[name], "relu")
    return Passes(found["x"], found["g"])


class OneLayer(NamedTuple):
    x_in: Tensor
    x_out: Tensor
    g_in: Tensor
    g_out: Tensor
    gradients: tuple[Tensor | None, ...]  # of θ


def run_layer(f: Callable[..., Tensor], x_in: Tensor, g_out: Tensor, *theta: Tensor) -> OneLayer:
    """The forward and backward pass of one layer."""
    block = Block(f, *theta)
    x_out = block.forward(x_in)
    g_in, *gradients = block.backward(g_out)
    assert g_in is not None, "x_in is a floating-point tensor"
    return OneLayer(x_in, x_out, g_in, g_out, tuple(gradients))


X_IN, G_OUT = float64([1, -2, 0.5]), float64([0.75, -1])
W, b = float64([[0.5, -0.25, 1], [-1, 0.75, 0.4]]), float64([0.1, -0.2])


def linear() -> OneLayer:
    return run_layer(F.linear, X_IN, G_OUT, W, b)
