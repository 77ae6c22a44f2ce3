"""Networks by name, each with what it takes to show it a picture and to read what it says.

"embedded"        the small CLIP of this package, in assets/clip.safetensors
a file            a CLIP of one's own, that scripts/train_clip.py wrote
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import functional as F
from .clip import CLIP
from .weights import load as load_weights

ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True)
class Pretrained:
    """A network that looks at pictures x [B, 3, size, size], entries from -1 to 1.

    `labels` are the names of its classes, and `about` what else is known of it.
    """

    model: nn.Module
    size: int
    labels: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def reads(self) -> bool:
        """Whether it knows sentences: then what it says of a picture is a vector f, else one number a class."""
        return isinstance(self.model, CLIP)

    def __call__(self, x: Tensor) -> Tensor:
        return self.model.encode_image(x) if isinstance(self.model, CLIP) else self.model(x)

    def sentences(self, sentences: Sequence[str]) -> Tensor:
        """T sentences → exp(logit_scale) t [T, D]: the weights of the linear layer whose nodes say how well each fits.

        Raises:
            ValueError: the network reads no sentences; or, as `UnknownWord`, a word is unknown to it.
        """
        if not isinstance(self.model, CLIP):
            raise ValueError(
                f"{sentences[0]!r}: a text needs a network that reads; {type(self.model).__name__} does not."
            )
        with torch.no_grad():
            return F.times(self.model.logit_scale.exp(), self.model.encode_text(sentences))


def load(name: str | Path = "embedded") -> Pretrained:
    """The network of that name or in that file.

    Raises:
        FileNotFoundError: there is no such file, and no such name.
        ValueError: the file is of another kind.
    """
    path = ASSETS / "clip.safetensors" if name == "embedded" else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"{name}: no such network. It is 'embedded', or a file that scripts/train_clip.py wrote."
        )
    model, about = load_weights(path)
    return Pretrained(model, model.config.size, tuple(about.pop("labels", ())), about)
