"""What is done to the picture before the network sees it: each step draws a little change at random, then applies it.

    transform_move      moved, flipped, padded, cropped
    transform_warp      turned, scaled, a part of it in another size
    transform_colour    noise, light, blur; laid over a background

A picture that suits the neuron however it is moved owes less to the grid of its own pixels. Every change is a layer, so
the gradient comes back through it. Each picture of a batch has a generator of its own: its seed repeats what is done to
it, whatever else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from ...conversion.by_hand import by_hand


class Transform(Protocol):
    """x [B, C, H, W], with B generators → x_out [B, ...], of another size or as many channels as it likes."""

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor: ...


@dataclass(frozen=True)
class Together:
    """One after the other; by hand, those of the user's own too."""

    transforms: Sequence[Transform]

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        for transform in self.transforms:
            # ours are made of layers, and need nobody to look at their calls
            with nullcontext() if type(transform).__module__.startswith("chapter14.") else by_hand():
                x = transform(x, generators)
        return x


def randn(shape: Sequence[int], generators: Sequence[Generator], sigma: float = 1.0) -> Tensor:
    """Normal noise [B, ...] of a standard deviation, of each picture's own generator."""
    drawn = torch.empty(*shape)
    for its, generator in zip(drawn, generators, strict=True):
        its.normal_(0, sigma, generator=generator)
    return drawn


def uniform(low: float, high: float, n: int, generators: Sequence[Generator]) -> Tensor:
    """n numbers from low to high for each picture, [B, n]."""
    return torch.stack([low + (high - low) * torch.rand(n, generator=generator) for generator in generators])
