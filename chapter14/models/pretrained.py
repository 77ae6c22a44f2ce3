"""A network with what it needs to look at pictures: preprocessing, classes, sentences.

    seen = (x' - mean) / std,    x' = (x + 1) / 2        pictures x [B, 3, H, W], entries from -1 to 1

Preprocessing is part of the network here, so that no caller can forget it: pictures are drawn from -1 to 1, and are
normalized as in training; and resized, if the network takes one size only.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .. import functional as F

RGB = tuple[float, float, float]
HALF: RGB = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Pretrained:
    """A network for pictures x [B, 3, H, W], entries from -1 to 1; or with another number of `channels`.

    Args:
        model: a classifier; or, with `encode_image` and `encode_text`, as `chapter14.models.clip.CLIP` has them, a
            network that reads sentences.
        size: of the pictures that it was trained on, size x size. fixed: it takes no other size; pictures are resized.
        labels: the names of its classes. synonyms: other names of each. about: anything else that is known of it.
        name: for error messages.
        mean, std: of each channel of its training pictures, where 0 is black and 1 is white.
        encode: x → f [B, D], in place of `model.encode_image`. read: sentences → t [T, D], for `model.encode_text`.
        given: its other inputs, by the names of its arguments: tensors of one row, [1, ...], which all pictures share,
            and values of other types. x is the first argument that is not given.

    Raises:
        ValueError: the network has no argument of a name that is given, or none left for x; or a tensor has more rows.
    """

    model: nn.Module
    size: int
    labels: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    mean: RGB = HALF
    std: RGB = HALF
    fixed: bool = False
    encode: Callable[[Tensor], Any] | None = None
    read: Callable[[Sequence[str]], Tensor] | None = None
    synonyms: tuple[tuple[str, ...], ...] = ()
    channels: int = 3
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.given:
            self._check_given()

    def _check_given(self) -> None:
        names, title = self._arguments(), self.title
        if unknown := [name for name in self.given if names and name not in names]:
            raise ValueError(f"{title}: it has no argument {unknown[0]!r} to be given; it has {', '.join(names)}.")
        if not set(names) - self.given.keys():
            raise ValueError(f"{title}: every argument that it names is given, {', '.join(self.given)}; none is left.")
        for name, value in self.given.items():
            if isinstance(value, Tensor) and value.ndim and len(value) != 1:
                shape = list(value.shape)
                raise ValueError(f"{title}: {name} is given as one row [1, ...], for all pictures; it is {shape}.")

    @property
    def reads(self) -> bool:
        """Whether it reads sentences: then its output is a vector f, and otherwise one number for each class."""
        return self.read is not None or hasattr(self.model, "encode_text")

    def __call__(self, x: Tensor) -> Any:
        """x → the network's output."""
        return self.one_input(self.preprocess(x))

    @functools.cached_property
    def one_input(self) -> OneInput:
        """The network as a module of preprocessed pictures alone."""
        return OneInput(self.model, self.encode, self.given, self._arguments() if self.given else ())

    def _arguments(self) -> list[str]:
        """The names of the network's arguments."""
        call: Any = self.encode or getattr(self.model, "encode_image", self.model.forward)
        kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        return [p.name for p in inspect.signature(call).parameters.values() if p.kind in kinds]

    def preprocess(self, x: Tensor) -> Tensor:
        """x as the network was trained to see it; if its size is fixed, without keeping the proportions."""
        if self.fixed and x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        if (self.mean, self.std) == (HALF, HALF):
            return x
        mean, std = torch.tensor(self.mean).to(x), torch.tensor(self.std).to(x)
        a, b = ((c.view(-1, *(1 for _ in x.shape[2:]))) for c in (0.5 / std, (0.5 - mean) / std))
        return F.add(F.mul(x, a), b)

    def sentences(self, sentences: Sequence[str]) -> Tensor:
        """T sentences → exp(logit_scale) t [T, D]: the weights of a linear layer whose nodes score each sentence.

        Raises:
            ValueError: the network reads no sentences; or, as `UnknownWord`, it does not know a word.
        """
        model: Any = self.model
        read = self.read or getattr(model, "encode_text", None)
        if read is None:
            raise ValueError(f"{sentences[0]!r}: a text needs a network that reads; {self.title} does not.")
        with torch.no_grad():
            return F.mul(model.logit_scale.exp(), read(sentences))

    def class_index(self, which: str | int) -> int:
        """The index of a class, given by its name or its index.

        Raises:
            ValueError: there is no such class, or several have this name.
        """
        labels = self.labels
        if self.reads and not labels:
            raise ValueError(f"class {which}: {self.title} has no classes, but reads: give a sentence.")
        if isinstance(which, int):
            if labels and not 0 <= which < len(labels):
                raise ValueError(f"class {which}: the network has classes 0 to {len(labels) - 1}.")
            return which
        found = [i for i, name in enumerate(labels) if name.lower() == which.lower()]
        synonyms = [(name, i) for i, names in enumerate(self.synonyms) for name in names]
        found = found or [i for name, i in synonyms if name.lower() == which.lower()]
        if len(found) > 1:
            shown = ", ".join(str(i) if labels[i].lower() == which.lower() else f"{i} ({labels[i]})" for i in found)
            raise ValueError(f"class {which!r}: classes {shown} have this name; give the number.")
        if not found:
            names = [*labels, *(name for name, _ in synonyms)]
            hint = f" Its classes: {', '.join(labels)}." if len(labels) <= 20 else did_you_mean(which, names)
            if not labels:
                hint = " Its classes have no names here: give a number or, to a network that reads, a sentence."
            raise ValueError(f"class {which!r}: the network does not have it.{hint}")
        return found[0]

    def class_name(self, i: int) -> str:
        """The name of a class; its number, if it has no name or shares it."""
        return self.labels[i] if self.labels and self.labels.count(self.labels[i]) == 1 else str(i)

    @property
    def like(self) -> Tensor:
        """A tensor with the network's dtype and device."""
        return next(self.model.parameters(), torch.zeros(()))

    @property
    def title(self) -> str:
        return self.name or type(self.model).__name__


class OneInput(nn.Module):
    """A network as a module with one input: preprocessed pictures → its output; its other arguments are `given`.

    Args: as those of `Pretrained`. arguments: the names of all, if any is given.
    """

    def __init__(
        self,
        model: nn.Module,
        encode: Callable[..., Any] | None = None,
        given: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
    ):
        super().__init__()
        self.model, self.encode, self.given = model, encode, dict(given or {})
        self.free = next((name for name in arguments if name not in self.given), "")

    def forward(self, x: Tensor) -> Any:
        encode: Any = self.encode or getattr(self.model, "encode_image", self.model)
        if not self.given:
            return encode(x)
        return encode(**{self.free: x}, **{name: _rows(value, x) for name, value in self.given.items()})

    @property
    def is_whole(self) -> bool:
        """Whether a copy of this module has all that the network consists of: `encode` is a method of the model."""
        method = self.encode
        while isinstance(method, functools.partial):
            method = method.func
        return method is None or getattr(method, "__self__", None) is self.model


def _rows(value: Any, x: Tensor) -> Any:
    """A given value for each picture of x [B, ...]: a tensor [1, ...] as [B, ...]."""
    if not isinstance(value, Tensor) or not value.ndim:
        return value
    return value.to(x.device).expand(x.shape[0], *value.shape[1:])


def input_channels(model: nn.Module) -> int:
    """The channels of the pictures that a network takes: its first layer's, if that is a convolution; or else 3."""
    first = first_layer(model)
    return first.in_channels if isinstance(first, nn.Conv2d) else 3


def first_layer(model: nn.Module) -> nn.Module | None:
    """The first convolution or product, as the modules are listed."""
    return next((m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)), None)


def check_known(library: str, kind: str, name: str, names: Iterable[str]) -> None:
    """Raises ValueError if `name` is not one of `names`; the message lists them, or those that are spelled alike."""
    if name not in (names := list(names)):
        hint = did_you_mean(name, names) if len(names) > 30 else f" There are: {', '.join(names)}." if names else ""
        raise ValueError(f"{library} has no {kind} {name!r}.{hint}")


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """A hint at the names that are spelled alike, for an error message; empty if there are none."""
    words = {each: each.lower().split() for each in names}
    near = [each for each in words if name.lower() in words[each]][:10] or difflib.get_close_matches(
        name, names, 5, 0.4
    )
    return f" Did you mean: {', '.join(near)}?" if near else ""
