"""What a picture is to be good for: a number for each picture, to be raised. J is its negative (14.9).

    J(x) = -x_l[i]

    neuron     one entry of layer l; in a layer of images, at one place
    channel    one channel of layer l, its mean over all places
    label      what the network's last layer says of one of its classes
    text       what a CLIP says of a sentence (figure 14.23)
    own        a function of one's own

Others are in features.py and reference.py. Objectives add up:

    text("a photo of a cat") - 0.5 * channel("image.scales.0", 3)

Which axis of a layer has its channels, axes.py says; or the option `axis` does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ... import functional as F
from ...conversion.by_hand import by_hand
from ...layers.core.arithmetic import mean_along
from ...models.pretrained import Pretrained
from ...models.vocabulary import THINGS, caption
from ..activations.axes import channels_first
from ..activations.hooks import OUTPUT, PICTURE

Value = Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Objective:
    """`bind(network)` makes the function of the activations x_l, by layer, whose value [B] is to be raised.

    `together`: the pictures of this objective look at each other, and are drawn in one batch.
    `place`: of a neuron, the place of x_l that it is at, and the same objective of that place alone, [B, C, 1, 1].
    """

    name: str
    layers: frozenset[str]
    bind: Callable[[Pretrained], Value]
    together: bool = False
    place: tuple[tuple[int | None, int | None], Objective] | None = None

    def __post_init__(self) -> None:
        if not self.bind.__module__.startswith("chapter14."):  # ours are made of layers, and need no help
            theirs = self.bind
            object.__setattr__(self, "bind", lambda network: _by_hand(theirs(network)))

    def __add__(self, other: Objective) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented

        def bind(network: Pretrained) -> Value:
            a, b = self.bind(network), other.bind(network)
            return lambda x: F.add(a(x), b(x))

        both = self.together or other.together
        more = f"- {other.name[1:]}" if other.name.startswith("-") else f"+ {other.name}"
        return Objective(f"{self.name} {more}", self.layers | other.layers, bind, both)

    def __mul__(self, c: float) -> Objective:
        if not isinstance(c, int | float):
            return NotImplemented
        if not math.isfinite(c):
            raise ValueError(f"{c} times {self.name}: an objective is multiplied by a number that is finite.")

        def bind(network: Pretrained) -> Value:
            a = self.bind(network)
            return lambda x: F.mul(a(x), c)

        return Objective(f"{c:g} ({self.name})", self.layers, bind, self.together)

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return self * -1

    def __sub__(self, other: Objective) -> Objective:
        return self + -other if isinstance(other, Objective) else NotImplemented


def at_layer(name: str, layer: str, value: Callable[[Tensor], Tensor], axis: int | None = None) -> Objective:
    """A function of x_l [B, C, *places] → [B]."""

    def of_all(x: Mapping[str, Tensor]) -> Tensor:
        return value(channels_first(x[layer], layer, x[PICTURE], axis))

    return Objective(name, frozenset([layer]), lambda network: of_all)


def neuron(
    layer: str, channel: int, row: int | None = None, column: int | None = None, *, axis: int | None = None
) -> Objective:
    """x_l[channel] of a layer [B, N]; x_l[channel, row, column] of one of images, by default in the middle.

    Of a layer of tokens, x_l[row, channel]: the row is the token.
    """
    place = [i for i in (row, column) if i is not None]
    name = f"neuron {channel} of {layer}" + (f" at {', '.join(map(str, place))}" if place else "")

    def value(x_l: Tensor) -> Tensor:
        return _each(at(entry(x_l, layer, 1, channel), layer, (row, column)))

    def there(x_l: Tensor) -> Tensor:
        return _each(entry(x_l, layer, 1, channel))

    whole = at_layer(name, layer, value, axis)
    return replace(whole, place=((row, column), at_layer(name, layer, there))) if axis is None else whole


def channel(layer: str, i: int, *, axis: int | None = None) -> Objective:
    """The mean of x_l[i] over all places of a layer [B, C, H, W], or over the tokens of a layer [B, T, N]."""

    def value(x_l: Tensor) -> Tensor:
        return _mean(entry(x_l, layer, 1, i))

    return at_layer(f"channel {i} of {layer}", layer, value, axis)


def label(which: str | int, softmax: bool = False) -> Objective:
    """One class, by its name or number: the network's last layer there, its mean where that is a map of classes; of a
    CLIP, the caption that says so.

    Args:
        softmax: rather the logarithm of its probability, which falls where another class is as likely.

    Raises, when a network is at hand:
        ValueError: it has no such class.
    """

    def bind(network: Pretrained) -> Value:
        i = network.number(which)
        if network.reads:
            ours, *others = map(caption, [network.labels[i], *network.labels[:i], *network.labels[i + 1 :]])
            return text(ours, against=others if softmax else (), softmax=softmax).bind(network)
        said = F.log_softmax if softmax else lambda x, dim: x
        return lambda x: _mean(entry(said(x[OUTPUT], 1), OUTPUT, 1, i))

    return Objective(f"{'probability of ' if softmax else ''}class {which}", frozenset([OUTPUT]), bind)


def text(prompt: str, guidance: float = 3.0, against: str | Sequence[str] = (), softmax: bool = False) -> Objective:
    """How well a sentence fits, and better than others.

    The node of a CLIP whose weights are t + guidance (t - t~), with t the sentence's vector and t~ the mean of the
    others': what all pictures have in common is not raised (Ho and Salimans, 2022, arXiv:2207.12598, have the same
    for diffusion models). With guidance 0 it is the sentence's own node, which shows less.

    Args:
        against: the others; by default, the captions of the network's classes that the sentence does not name, or,
            where it has none and reads any word, of things that are in many pictures.
        softmax: rather the logarithm of its probability, were the picture of this sentence or of one of `against`.

    Raises, when a network is at hand:
        UnknownWord: it lists the words.
        ValueError: the network reads no sentences.
    """
    others = [against] if isinstance(against, str) else list(against)
    if softmax and not others:
        raise ValueError(f"{prompt!r}: softmax needs sentences to be against.")

    def bind(network: Pretrained) -> Value:
        words = set(prompt.lower().split())
        known = network.labels or (THINGS if network.read else ())
        things = [name for name in known if not set(name.split()) <= words]
        t, *rest = network.sentences([prompt, *(others or map(caption, things))])
        if softmax:
            W = torch.stack([t, *rest])
            return lambda x: _each(F.narrow(F.log_softmax(F.linear(x[OUTPUT], W), 1), 1, 0, 1))
        w = t + guidance * (t - torch.stack(rest).mean(0)) if rest else t
        return lambda x: _each(F.linear(x[OUTPUT], w[None]))

    name = f"{prompt} against {', '.join(others)}" if others else prompt
    name += ", as a probability" if softmax else "" if guidance == 3 else f", guidance {guidance:g}"
    return Objective(name, frozenset([OUTPUT]), bind)


def own(f: Callable[..., Tensor], *layers: str, name: str | None = None) -> Objective:
    """f(x_l, ...) [B], of the layers that are named, as they are; by default, of the network's output.

    What f computes is by hand, as the network is.
    """
    named = layers or (OUTPUT,)
    title, made = name or f"{getattr(f, '__name__', 'own')} of {', '.join(named)}", _by_hand(f)

    def value(x: Mapping[str, Tensor]) -> Tensor:
        J, B = made(*(x[layer] for layer in named)), x[PICTURE].shape[0]
        if not isinstance(J, Tensor) or J.shape != (B,):
            given = list(J.shape) if isinstance(J, Tensor) else type(J).__name__
            raise ValueError(f"{title}: it is one number for each of {B} pictures, [{B}]; it was given {given}.")
        return J

    return Objective(title, frozenset(named), lambda network: value)


def interpolate(a: Objective, b: Objective, n: int) -> list[Objective]:
    """n objectives (1 - t) a + t b, from a to b.

    Raises:
        ValueError: n is below 2.
    """
    if n < 2:
        raise ValueError(f"interpolate: from a to b is 2 objectives or more; n is {n}.")
    steps = [i / (n - 1) for i in range(n)]
    return [a if t == 0 else b if t == 1 else (1 - t) * a + t * b for t in steps]


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


def entry(x: Tensor, layer: str, dim: int, i: int) -> Tensor:
    """x_l[i] along an axis, which stays: of the channels, or of a place.

    Raises:
        IndexError: it says how many there are.
    """
    kind, n = ("channel", "row", "column")[dim - 1] if dim <= 3 else "entry", x.shape[dim]
    if not -n <= i < n:
        raise IndexError(f"{layer}: there is no {kind} {i}; it has {n}, 0 to {n - 1}.")
    return F.narrow(x, dim, i % n, 1)


def at(x: Tensor, layer: str, place: Sequence[int | None]) -> Tensor:
    """x_l [B, C, *places] at one place, [B, C, 1, ...]; where an axis has no number, in its middle.

    Raises:
        IndexError: there is no such place.
    """
    if len([i for i in place if i is not None]) > x.ndim - 2:
        raise IndexError(f"{layer}: there is no place {place}; beside its channels it has {x.ndim - 2} axes.")
    for dim, i in itertools.zip_longest(range(2, x.ndim), place[: x.ndim - 2]):
        x = entry(x, layer, dim, x.shape[dim] // 2 if i is None else i)
    return x


def _mean(x: Tensor) -> Tensor:
    """x [B, 1, *places] → [B]."""
    return _each(mean_along(x, range(1, x.ndim)))


def _each(x: Tensor) -> Tensor:
    return F.reshape(x, (x.shape[0],))


def _by_hand(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def with_our_derivatives(*inputs):
        with by_hand():
            return f(*inputs)

    return with_our_derivatives
