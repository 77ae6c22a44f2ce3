"""Random transforms of the picture, applied before the network sees it, drawn again at each step.

    move        jitter, flip, pad, crop
    warp        rotate, scale, resized crop
    colour      noise, colour, blur; composite over a background

A picture that activates the neuron under every transform depends less on the exact position of its pixels. Every
transform consists of layers, so it has a backward pass. Each picture of a batch has its own generator: its seed
determines its transforms, whatever else is in the batch.
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
    """x [B, C, H, W], with B generators → x_out [B, ...], of any size and number of channels.

    Those of the package that take an `Array`, too, have the attribute `any_shape`.
    """

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor: ...


@dataclass(frozen=True)
class Together:
    """Transforms in sequence; the user's own run inside `by_hand`.

    Raises:
        ValueError: one of the package's is only for pictures, and x is none.
    """

    transforms: Sequence[Transform]
    any_shape = True

    def __call__(self, x: Tensor, generators: Sequence[Generator]) -> Tensor:
        for transform in self.transforms:
            own = type(transform).__module__.startswith("chapter14.")
            if own and x.ndim != 4 and not hasattr(transform, "any_shape"):
                raise ValueError(f"{transform}: it is for pictures [B, C, H, W]; this x is {list(x.shape)}.")
            with nullcontext() if own else by_hand():  # the package's own consist of layers already
                x = transform(x, generators)
        return x


def randn(shape: Sequence[int], generators: Sequence[Generator], sigma: float = 1.0) -> Tensor:
    """Normal noise [B, ...] of a standard deviation, from each picture's generator."""
    noise = torch.empty(*shape)
    for own, generator in zip(noise, generators, strict=True):
        own.normal_(0, sigma, generator=generator)
    return noise


def uniform(low: float, high: float, n: int, generators: Sequence[Generator]) -> Tensor:
    """n numbers from low to high for each picture, [B, n]."""
    return torch.stack([low + (high - low) * torch.rand(n, generator=generator) for generator in generators])
