"""Activations, as torch and Tensor call them."""

from __future__ import annotations

from torch import Tensor

from ... import functional as F
from ..table import stands_for

for _name in ("sigmoid", "tanh", "celu", "selu", "prelu", "rrelu", "threshold", "hardshrink"):
    stands_for(_name)(getattr(F, _name))


@stands_for("relu")
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), with PyTorch's h'(0) = 0, so that it is the same model."""
    return F.relu(input, inplace, at_zero=0)


@stands_for("relu_")
def relu_(input: Tensor) -> Tensor:
    return relu(input, inplace=True)
