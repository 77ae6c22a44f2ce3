"""The data set of the lesson: two classes in the plane, and an MLP with biases, trained in batches (14.11)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from .. import functional as F
from .. import nn
from ..graph.batch import mean_gradients
from .examples import Example, ExampleLayer

EACH, HIDDEN = 24, 6  # points of each class, hidden units


def points() -> dict[str, list]:
    """Two half circles, each around an end of the other, and the class of each point, 1 or -1."""
    draw = torch.Generator().manual_seed(14)
    angle = torch.linspace(0, math.pi, EACH, dtype=torch.float64)
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    x = torch.cat([upper, torch.tensor([1.0, 0.5], dtype=torch.float64) - upper])
    x = x + 0.12 * torch.randn(x.shape, generator=draw, dtype=torch.float64)
    return {"x": (x * 100).round().div(100).tolist(), "y": [1] * EACH + [-1] * EACH}


def network() -> Example:
    """ŷ = W_2 tanh(W_1 x + b_1) + b_2, with J = ‖ŷ - y‖²; x_0 and y are a point of the batch."""
    draw = torch.Generator().manual_seed(47)

    def weights(*shape: int) -> list:
        return (torch.randn(shape, generator=draw, dtype=torch.float64) * 100).round().div(100).tolist()

    return Example(
        given={"W_1": weights(HIDDEN, 2), "b_1": [0] * HIDDEN, "W_2": weights(1, HIDDEN), "b_2": [0]},
        layers=[
            ExampleLayer("linear", ["x_0", "W_1", "b_1"], ["x_1"]),
            ExampleLayer("h", ["x_1"], ["x_2"]),
            ExampleLayer("linear", ["x_2", "W_2", "b_2"], ["x_3"]),
            ExampleLayer("l2", ["x_3", "y"], ["J"]),
        ],
        free=["W_1", "b_1", "W_2", "b_2"],
        eta=0.1,
        chapter_names={},
    )


def training(steps: int, eta: float) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """The mean J of the batch, and the parameters: before each step of gradient descent (14.9), and after the last."""
    example, data = network(), points()
    theta = {name: torch.tensor(value, dtype=torch.float64) for name, value in example.given.items()}
    x, y = (torch.tensor(data[name], dtype=torch.float64) for name in ("x", "y"))
    model = nn.Sequential(nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1)).double()
    names = dict(zip(theta, ("0.weight", "0.bias", "2.weight", "2.bias"), strict=True))
    for _ in range(steps + 1):
        model.load_state_dict({names[name]: value for name, value in theta.items()})
        yield F.mse_loss(model(x), y[:, None]).item(), theta
        g: Mapping[str, Tensor] = mean_gradients(model, F.mse_loss, x, y[:, None])
        theta = {name: value - eta * g[names[name]] for name, value in theta.items()}
