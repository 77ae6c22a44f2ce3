"""Networks by name, each with what it takes to show it a picture and to read what it says.

"embedded"        the small CLIP of this package, in assets/clip.safetensors
a file            a CLIP of one's own, that scripts/train_clip.py wrote

and by the library that builds them, with random weights, to be audited: "torchvision:resnet18", "timm:NAME",
"open_clip:NAME".
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Sequence
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


@dataclass(frozen=True)
class Built:
    """A network that a library built, and inputs for it: `inputs(batch, size)`, of its own size where size is None."""

    model: nn.Module
    inputs: Callable[[int, int | None], tuple]


def build(name: str) -> Built:
    """A network of another library's, "LIBRARY:NAME", with random weights; nothing is downloaded.

    Raises:
        ValueError: there is no such library, it is not installed, or it has no such network.
    """
    library, _, network = name.partition(":")
    if library not in LIBRARIES:
        raise ValueError(f"{name}: no such library as {library!r}; there are {', '.join(LIBRARIES)}.")
    package, builder = LIBRARIES[library]
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise ValueError(f"{name}: {library} is not installed; pip install {package}") from error
    return builder(network)


def images(size: int = 224) -> Callable[[int, int | None], tuple]:
    return lambda batch, given: (torch.randn(batch, 3, given or size, given or size).requires_grad_(),)


def _known(library: str, name: str, names: Iterable[str]) -> None:
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, 5, 0.4)
        raise ValueError(f"{library} has no network {name!r}." + (f" Near it: {', '.join(near)}." if near else ""))


def _torchvision(name: str) -> Built:
    from torchvision import models

    _known("torchvision", name, models.list_models())
    known = inspect.signature(models.get_model_builder(name)).parameters
    options: dict[str, Any] = {key: None for key in ("weights", "weights_backbone") if key in known}
    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False  # which is slow, and for training
    return Built(models.get_model(name, **options), images(299 if name == "inception_v3" else 224))


def _timm(name: str) -> Built:
    import timm

    _known("timm", name, timm.list_models())
    model: Any = timm.create_model(name, pretrained=False)
    return Built(model, images(model.default_cfg["input_size"][-1]))


def _open_clip(name: str) -> Built:
    import open_clip

    _known("open_clip", name, open_clip.list_models())
    model: Any = open_clip.create_model(name, pretrained_hf=False)
    text = open_clip.get_model_config(name)["text_cfg"]
    size: Any = model.visual.image_size
    pictures = images(size if isinstance(size, int) else size[0])

    def inputs(batch: int, given: int | None) -> tuple:
        sentences = torch.randint(1, text.get("vocab_size", 1000), (batch, text.get("context_length", 77)))
        return *pictures(batch, given), sentences

    return Built(model, inputs)


#: The library -> what pip calls it, and how it builds a network.
LIBRARIES: dict[str, tuple[str, Callable[[str], Built]]] = {
    "torchvision": ("torchvision", _torchvision),
    "timm": ("timm", _timm),
    "open_clip": ("open_clip_torch", _open_clip),
}
