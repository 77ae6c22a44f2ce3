"""A network, and what it takes to show it a picture and to read what it says.

    seen = (x' - mean) / std,    x' = (x + 1) / 2        pictures x [B, 3, H, W], entries from -1 to 1

Its own preprocessing is the network's first layer here, and nobody's to forget: pictures are drawn from -1 to 1, and
come in as it was trained on them; where it takes one size alone, in that size.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .. import functional as F

RGB = tuple[float, float, float]
HALF: RGB = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Pretrained:
    """A network that looks at pictures x [B, 3, H, W], entries from -1 to 1.

    Args:
        model: a classifier; or, with `encode_image` and `encode_text`, as `chapter14.models.clip.CLIP` has them, one
            that reads sentences.
        size: of the pictures that it was trained on, size x size. fixed: it takes no other; those are resized.
        labels: the names of its classes. about: what else is known of it.
        name: what errors call it.
        mean, std: of its pictures as it was trained, channel by channel, where 0 is black and 1 is white.
        encode: x → f [B, D], in place of `model.encode_image`. read: sentences → t [T, D], for `model.encode_text`.
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

    @property
    def reads(self) -> bool:
        """Whether it knows sentences: then what it says of a picture is a vector f, else one number a class."""
        return self.read is not None or hasattr(self.model, "encode_text")

    def __call__(self, x: Tensor) -> Any:
        """x → what the network says of it."""
        look: Any = self.encode or getattr(self.model, "encode_image", self.model)
        return look(self.seen(x))

    def seen(self, x: Tensor) -> Tensor:
        """x as the network was trained to see it; a picture of other proportions than it takes is squeezed."""
        if self.fixed and x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        if (self.mean, self.std) == (HALF, HALF):
            return x
        mean, std = torch.tensor(self.mean).to(x), torch.tensor(self.std).to(x)
        a, b = 0.5 / std, (0.5 - mean) / std
        return F.add(F.mul(x, a[:, None, None]), b[:, None, None])

    def sentences(self, sentences: Sequence[str]) -> Tensor:
        """T sentences → exp(logit_scale) t [T, D]: the weights of the linear layer whose nodes say how well each fits.

        Raises:
            ValueError: the network reads no sentences; or, as `UnknownWord`, a word is unknown to it.
        """
        model: Any = self.model
        read = self.read or getattr(model, "encode_text", None)
        if read is None:
            raise ValueError(f"{sentences[0]!r}: a text needs a network that reads; {self.called} does not.")
        with torch.no_grad():
            return F.mul(model.logit_scale.exp(), read(sentences))

    def number(self, which: str | int) -> int:
        """Which of its classes has a name, or a number.

        Raises:
            ValueError: none has; it says which are near.
        """
        labels = self.labels
        if self.reads and not labels:
            raise ValueError(f"class {which}: {self.called} has no classes, but reads: say a sentence.")
        if isinstance(which, int):
            if labels and not 0 <= which < len(labels):
                raise ValueError(f"class {which}: the network has classes 0 to {len(labels) - 1}.")
            return which
        found = [i for i, name in enumerate(labels) if name.lower() == which.lower()]
        if len(found) > 1:
            raise ValueError(f"class {which!r}: classes {', '.join(map(str, found))} have this name; say the number.")
        if not found:
            raise ValueError(f"class {which!r}: the network does not have it. {self._near(which)}")
        return found[0]

    def _near(self, which: str) -> str:
        if not self.labels:
            return "Its classes have no names here: say a number, or, to a network that reads, a sentence."
        if len(self.labels) <= 20:
            return f"Its classes: {', '.join(self.labels)}."
        near = difflib.get_close_matches(which, self.labels, 8, 0.4)
        return f"Near it: {', '.join(near) or 'none'}, of {len(self.labels)}."

    @property
    def called(self) -> str:
        return self.name or type(self.model).__name__
