"""What a picture is to be good for: a number for each picture, to be raised. J is its negative (14.9).

    J(x) = -x_l[i]

    neuron     one entry of layer l; in a layer of images, at one place
    channel    one channel of layer l, its mean over all places
    label      what the network's last layer says of one of its classes
    text       what a CLIP says of a sentence (figure 14.23)

Objectives add up: `text("a photo of a cat") - 0.5 * channel("image.scales.0", 3)`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import functional as F
from ..models.pretrained import Pretrained
from ..models.words import caption
from .look import OUTPUT

Value = Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Objective:
    """`bind(network)` makes the function of the activations x_l, by layer, whose value [B] is to be raised.

    `together`: the pictures of this objective look at each other, and are drawn in one batch.
    """

    name: str
    layers: frozenset[str]
    bind: Callable[[Pretrained], Value]
    together: bool = False

    def __add__(self, other: Objective) -> Objective:
        def bind(network: Pretrained) -> Value:
            a, b = self.bind(network), other.bind(network)
            return lambda x: F.plus(a(x), b(x))

        both = self.together or other.together
        return Objective(f"{self.name} + {other.name}", self.layers | other.layers, bind, both)

    def __mul__(self, c: float) -> Objective:
        def bind(network: Pretrained) -> Value:
            a = self.bind(network)
            return lambda x: F.scale(a(x), c)

        return Objective(f"{c:g} ({self.name})", self.layers, bind, self.together)

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return self * -1

    def __sub__(self, other: Objective) -> Objective:
        return self + -other


def neuron(layer: str, channel: int, row: int | None = None, column: int | None = None) -> Objective:
    """x_l[channel] of a layer [B, N]; x_l[channel, row, column] of a layer [B, C, H, W], by default in the middle."""

    def value(x: Mapping[str, Tensor]) -> Tensor:
        x_l = _entry(x[layer], layer, 1, channel)
        for dim, i in zip(range(2, x_l.ndim), (row, column), strict=False):
            x_l = _entry(x_l, layer, dim, x_l.shape[dim] // 2 if i is None else i)
        return _each(x_l)

    place = "" if row is None or column is None else f" at {row}, {column}"
    return Objective(f"neuron {channel} of {layer}{place}", frozenset([layer]), lambda network: value)


def channel(layer: str, i: int) -> Objective:
    """The mean of x_l[i] over all places of a layer [B, C, H, W]."""

    def value(x: Mapping[str, Tensor]) -> Tensor:
        x_l = _entry(x[layer], layer, 1, i)
        return _each(F.mean_along(x_l, range(1, x_l.ndim)))

    return Objective(f"channel {i} of {layer}", frozenset([layer]), lambda network: value)


def label(which: str | int) -> Objective:
    """One class, by its name or number: the network's last layer there; of a CLIP, the caption that says so.

    Raises, when a network is at hand:
        ValueError: it has no such class.
    """

    def bind(network: Pretrained) -> Value:
        i = _number(which, network)
        if network.reads:
            return text(caption(network.labels[i])).bind(network)
        return neuron(OUTPUT, i).bind(network)

    return Objective(f"class {which}", frozenset([OUTPUT]), bind)


def text(prompt: str, guidance: float = 3.0) -> Objective:
    """How well a sentence fits, and better than the captions of the network's classes that it does not name.

    The node of a CLIP whose weights are t + guidance (t - t~), with t the sentence's vector and t~ the mean of the
    captions': what all pictures have in common is not raised (Ho and Salimans, 2022, arXiv:2207.12598, have the same
    for diffusion models). With guidance 0 it is the sentence's own node, which shows less.

    Raises, when a network is at hand:
        UnknownWord: it lists the words.
        ValueError: the network reads no sentences.
    """

    def bind(network: Pretrained) -> Value:
        others = [caption(name) for name in network.labels if not set(name.split()) <= set(prompt.lower().split())]
        t, *rest = network.sentences([prompt, *others])
        w = t + guidance * (t - torch.stack(rest).mean(0)) if rest else t
        return lambda x: _each(F.linear(x[OUTPUT], w[None]))

    return Objective(prompt, frozenset([OUTPUT]), bind)


def each(objectives: Sequence[Objective]) -> Objective:
    """One objective for each picture of a batch. Neighbours that are the same object look at theirs together."""
    groups = [(group[0], len(group)) for _, g in itertools.groupby(objectives, key=id) if (group := list(g))]
    if len(groups) == 1:
        return groups[0][0]
    sizes = [n for _, n in groups]

    def bind(network: Pretrained) -> Value:
        values = [objective.bind(network) for objective, _ in groups]

        def value(x: Mapping[str, Tensor]) -> Tensor:
            parts = {layer: F.split(x_l, sizes) for layer, x_l in x.items()}
            rows = [{layer: part[i] for layer, part in parts.items()} for i in range(len(groups))]
            return F.merge(*(its(row) for its, row in zip(values, rows, strict=True)))

        return value

    return Objective(
        " | ".join(objective.name for objective, _ in groups), frozenset().union(*(o.layers for o, _ in groups)), bind
    )


def _entry(x_l: Tensor, layer: str, dim: int, i: int) -> Tensor:
    if x_l.ndim <= dim or not -x_l.shape[dim] <= i < x_l.shape[dim]:
        raise IndexError(f"{layer}: there is no entry {i} along axis {dim} of its x_out {list(x_l.shape)}.")
    return F.narrow(x_l, dim, i % x_l.shape[dim], 1)


def _each(x: Tensor) -> Tensor:
    return F.reshape(x, (x.shape[0],))


def _number(which: str | int, network: Pretrained) -> int:
    if isinstance(which, str):
        if which not in network.labels:
            known = ", ".join(network.labels) or "none by name"
            raise ValueError(f"class {which!r}: the network does not have it. Its classes: {known}.")
        return network.labels.index(which)
    if network.labels and not 0 <= which < len(network.labels):
        raise ValueError(f"class {which}: the network has classes 0 to {len(network.labels) - 1}.")
    return which
