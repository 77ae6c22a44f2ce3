"""Objectives: a number for each picture, to be maximized. J is its negative (14.9).

    J(x) = -x_l[i]

    neuron     one entry of layer l; in a layer of images, at one place
    channel    one channel of layer l, averaged over all places
    label      the output of the network's last layer for one of its classes
    text       the score that a CLIP gives a sentence (figure 14.23)
    own        a function of the user's

Others are in features.py, reference.py and priors.py. Objectives can be added:

    text("a photo of a cat") - 0.5 * channel("image.stages.1", 3)

axes.py determines which axis of a layer has its channels, unless `axis` is given.
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
from ...models.clip import CLIP
from ...models.pretrained import Pretrained
from ...models.vocabulary import THINGS, caption
from ..activations.axes import channels_first
from ..activations.hooks import OUTPUT, PICTURE, Position

#: The weight of a sentence against others, in `text`.
GUIDANCE = 3

Value = Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Objective:
    """`bind(network)` returns the function of the activations x_l, by layer, whose value [B] is maximized.

    `together`: the pictures of this objective depend on each other, and are drawn in one batch.
    `place`: for a neuron, its position in x_l, and the same objective for that position alone, [B, C, 1, 1].
    """

    name: str
    layers: frozenset[str]
    bind: Callable[[Pretrained], Value]
    together: bool = False
    place: tuple[Position, Objective] | None = None

    def __post_init__(self) -> None:
        if not self.bind.__module__.startswith("chapter14."):  # the package's own consist of layers already
            users = self.bind
            object.__setattr__(self, "bind", lambda network: _by_hand(users(network)))

    def __add__(self, other: Objective) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented

        def bind(network: Pretrained) -> Value:
            a, b = self.bind(network), other.bind(network)
            return lambda x: F.add(a(x), b(x))

        more = f"- {other.name[1:]}" if other.name.startswith("-") else f"+ {other.name}"
        together = self.together or other.together
        return Objective(f"{self.name} {more}", self.layers | other.layers, bind, together)

    def __mul__(self, c: float) -> Objective:
        if not isinstance(c, int | float):
            return NotImplemented
        if not math.isfinite(c):
            raise ValueError(f"{c} times {self.name}: an objective is multiplied by a finite number.")

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
    """The objective `value` of x_l [B, C, *places] → [B]."""

    def of_activations(x: Mapping[str, Tensor]) -> Tensor:
        return value(channels_first(x[layer], layer, x[PICTURE], axis))

    return Objective(name, frozenset([layer]), lambda network: of_activations)


def neuron(
    layer: str, channel: int, row: int | None = None, column: int | None = None, *, axis: int | None = None
) -> Objective:
    """x_l[channel] of a layer [B, N]; x_l[channel, row, column] of a layer of images, by default in the middle.

    For a layer of tokens, x_l[row, channel]: the row is the token.
    """
    name = f"neuron {channel} of {layer}{place_suffix([i for i in (row, column) if i is not None])}"

    def value(x_l: Tensor) -> Tensor:
        return _flat(at_place(select(x_l, layer, 1, channel), layer, (row, column)))

    def value_there(x_l: Tensor) -> Tensor:
        return _flat(select(x_l, layer, 1, channel))

    whole = at_layer(name, layer, value, axis)
    return replace(whole, place=((row, column), at_layer(name, layer, value_there))) if axis is None else whole


def channel(layer: str, i: int, *, axis: int | None = None) -> Objective:
    """The mean of x_l[i] over all places of a layer [B, C, H, W], or over the tokens of a layer [B, T, N]."""

    def value(x_l: Tensor) -> Tensor:
        return mean_per_picture(select(x_l, layer, 1, i))

    return at_layer(f"channel {i} of {layer}", layer, value, axis)


def label(which: str | int, softmax: bool = False) -> Objective:
    """One class, by name or number: its output, averaged over a map of classes; for a CLIP, the caption of the class.

    Args:
        softmax: maximize the logarithm of its probability, which falls if another class is as likely.

    Raises, once it is bound to a network:
        ValueError: the network has no such class.
    """

    def bind(network: Pretrained) -> Value:
        i = network.class_index(which)
        if network.reads:
            ours, *others = map(caption, [network.labels[i], *network.labels[:i], *network.labels[i + 1 :]])
            return text(ours, against=others if softmax else (), softmax=softmax).bind(network)
        scores = F.log_softmax if softmax else lambda x, dim: x

        def value(x: Mapping[str, Tensor]) -> Tensor:
            out, picture = x[OUTPUT], x[PICTURE]
            out = out if picture.ndim == 4 else channels_first(out, OUTPUT, picture)
            return mean_per_picture(select(scores(out, 1), OUTPUT, 1, i))

        return value

    return Objective(f"{'probability of ' if softmax else ''}class {which}", frozenset([OUTPUT]), bind)


def text(
    prompt: str, guidance: float | None = None, against: str | Sequence[str] = (), softmax: bool = False
) -> Objective:
    """How well a sentence fits, compared with others.

    The node of a CLIP with the weights t + guidance (t - t~), where t is the sentence's vector and t~ the mean of the
    others': this cancels what all pictures have in common (Ho and Salimans, 2022, arXiv:2207.12598, do the same for
    diffusion models). With guidance 0 it is the sentence's own node, whose pictures show less.

    Args:
        guidance: `GUIDANCE` by default; but for `chapter14.models.clip.CLIP`, `softmax` is the default.
        against: the other sentences; by default, captions of the network's classes that the sentence does not name, or
            of common things, if the network has no classes and an open vocabulary; for `CLIP`, if the sentence names an
            attribute, of its classes with each attribute, unless they say all that the sentence says.
        softmax: maximize the logarithm of the sentence's probability among `against`.

    Raises, once it is bound to a network:
        UnknownWord: the network does not know a word.
        ValueError: the network reads no sentences.
    """
    others = [against] if isinstance(against, str) else list(against)
    if softmax and not others:
        raise ValueError(f"{prompt!r}: softmax needs other sentences, `against`.")

    def bind(network: Pretrained) -> Value:
        probability = softmax or (isinstance(network.model, CLIP) and guidance is None)
        t, *rest = network.sentences([prompt, *(others or _others(network, prompt, probability))])
        if probability and rest:
            W = torch.stack([t, *rest])
            return lambda x: _flat(F.narrow(F.log_softmax(F.linear(x[OUTPUT], W), 1), 1, 0, 1))
        w = t + (GUIDANCE if guidance is None else guidance) * (t - torch.stack(rest).mean(0)) if rest else t
        return lambda x: _flat(F.linear(x[OUTPUT], w[None]))

    name = f"{prompt} against {', '.join(others)}" if others else prompt
    name += ", as a probability" if softmax else "" if guidance is None else f", guidance {guidance:g}"
    return Objective(name, frozenset([OUTPUT]), bind)


def _others(network: Pretrained, prompt: str, attributes: bool) -> list[str]:
    """Captions that do not say all that the sentence says: of other things, and, if asked, with other attributes.

    Only a sentence that names an attribute is told from other attributes: that a picture is not dark or close up shows
    less of what is in it.
    """
    words = set(prompt.lower().split())
    things = network.labels or (THINGS if network.read else ())
    known_attributes = network.about.get("attributes", ()) if attributes else ()
    if not any(attribute and set(attribute.split()) <= words for attribute in known_attributes):
        return [caption(thing) for thing in things if not set(thing.split()) <= words]
    captions = [caption(thing, attribute) for thing in things for attribute in known_attributes]
    known = {word for said in (*things, *known_attributes) for word in said.split()}
    return [other for other in captions if not words & known <= set(other.split())]


def own(f: Callable[..., Tensor], *layers: str, name: str | None = None) -> Objective:
    """f(x_l, ...) [B] of the activations of `layers`, axes unchanged; by default, of the network's output.

    f runs inside `by_hand`.
    """
    layers = layers or (OUTPUT,)
    title, function = name or f"{getattr(f, '__name__', 'own')} of {', '.join(layers)}", _by_hand(f)

    def value(x: Mapping[str, Tensor]) -> Tensor:
        J, B = function(*(x[layer] for layer in layers)), x[PICTURE].shape[0]
        if not isinstance(J, Tensor) or J.shape != (B,):
            given = list(J.shape) if isinstance(J, Tensor) else type(J).__name__
            raise ValueError(f"{title}: expected one number for each of {B} pictures, [{B}]; it returned {given}.")
        return J

    return Objective(title, frozenset(layers), lambda network: value)


def interpolate(a: Objective, b: Objective, n: int) -> list[Objective]:
    """n objectives (1 - t) a + t b, from a to b.

    Raises:
        ValueError: n is below 2.
    """
    if n < 2:
        raise ValueError(f"interpolate: n is at least 2; it was given {n}.")
    steps = [i / (n - 1) for i in range(n)]
    return [a if t == 0 else b if t == 1 else (1 - t) * a + t * b for t in steps]


def per_picture(objectives: Sequence[Objective]) -> Objective:
    """One objective for each picture of a batch. Equal neighbours are evaluated together."""
    groups = [(group[0], len(group)) for _, g in itertools.groupby(objectives, key=id) if (group := list(g))]
    if len(groups) == 1:
        return groups[0][0]
    sizes = [n for _, n in groups]

    def bind(network: Pretrained) -> Value:
        values = [objective.bind(network) for objective, _ in groups]

        def value(x: Mapping[str, Tensor]) -> Tensor:
            parts = {layer: F.split(x_l, sizes) for layer, x_l in x.items()}
            rows = [{layer: part[i] for layer, part in parts.items()} for i in range(len(groups))]
            return F.merge(*(value(row) for value, row in zip(values, rows, strict=True)))

        return value

    layers = frozenset[str]().union(*(o.layers for o, _ in groups))
    return Objective(" | ".join(o.name for o, _ in groups), layers, bind)


def select(x: Tensor, layer: str, dim: int, i: int) -> Tensor:
    """x_l[i] along the axis of the channels or of a place, keeping the axis.

    Raises:
        IndexError: there is no such entry.
    """
    kind, n = ("channel", "row", "column")[dim - 1] if dim <= 3 else "entry", x.shape[dim]
    if not -n <= i < n:
        raise IndexError(f"{layer}: there is no {kind} {i}; it has {n}, 0 to {n - 1}.")
    return F.narrow(x, dim, i % n, 1)


def at_place(x: Tensor, layer: str, place: Sequence[int | None]) -> Tensor:
    """x_l [B, C, *places] at one place, [B, C, 1, ...]; None is the middle of an axis.

    Raises:
        IndexError: there is no such place.
    """
    if len([i for i in place if i is not None]) > x.ndim - 2:
        raise IndexError(f"{layer}: there is no place {place}; besides its channels it has {x.ndim - 2} axes.")
    for dim, i in itertools.zip_longest(range(2, x.ndim), place[: x.ndim - 2]):
        x = select(x, layer, dim, x.shape[dim] // 2 if i is None else i)
    return x


def mean_per_picture(x: Tensor) -> Tensor:
    """x [B, ...] → [B]; 0 if a picture has no entries."""
    mean = F.mean if x.numel() else F.sum
    return mean(x, range(1, x.ndim))


def place_suffix(place: Sequence[int] | None) -> str:
    return f" at {', '.join(map(str, place))}" if place else ""


def _flat(x: Tensor) -> Tensor:
    """x [B, 1, ...] → [B]."""
    return F.reshape(x, (x.shape[0],))


def _by_hand(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def with_our_derivatives(*inputs):
        with by_hand():
            return f(*inputs)

    return with_our_derivatives
