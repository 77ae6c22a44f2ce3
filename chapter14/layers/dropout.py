"""Dropout: a random gate, and what is left scaled up to make good for it. L = diag m / (1 - p), as relu's (14.30)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..shape import check_floating
from .arithmetic import gate, scale


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """0 with probability p, else x / (1 - p). As `torch.nn.functional.dropout`; one seed, the same entries."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability; it was given p={p}.")
    if not training or p == 0:
        return input
    check_floating("dropout", input=input)
    if p == 1:
        return scale(input, 0)
    stays = torch.empty_like(input).bernoulli_(1 - p).bool()
    return scale(gate(input, stays), 1 / (1 - p))
