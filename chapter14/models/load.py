"""Networks by name, each with what it takes to show it a picture and to read what it says.

    embedded            the small CLIP of this package, in assets/clip.safetensors
    FILE                a CLIP of one's own, that scripts/train_clip.py wrote
    torchvision:NAME    and timm:NAME, open_clip:NAME: of these libraries, where they are installed
    FILE.py:FACTORY     what a function of one's own makes (from_file.py)

`weights` are the library's name for them, a file of tensors, or "random". By default they are those that the library
would give; they are fetched by the library itself, and kept where it keeps them.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from . import from_file, from_open_clip, from_timm, from_torchvision
from .clip_file import load as load_weights
from .pretrained import Pretrained

ASSETS = Path(__file__).parent.parent / "assets"

LOADING = threading.RLock()

Loader = Callable[[str, str | Path | None], Pretrained]

#: The library -> what pip calls it, and how its networks are loaded.
LIBRARIES: dict[str, tuple[str, Loader]] = {
    "torchvision": ("torchvision", from_torchvision.load),
    "timm": ("timm", from_timm.load),
    "open_clip": ("open_clip_torch", from_open_clip.load),
}


def load(
    name: str | Path = "embedded",
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
) -> Pretrained:
    """The network of that name or in that file, with these weights. Random ones are the same each time.

    One thread at a time: the others wait. What the libraries draw random weights from, and load by, is the process's.

    Raises:
        FileNotFoundError: there is no such file and no such name; or the weights are neither on this machine nor can be
            fetched, and it says where they are.
        ValueError: a library, network, weights or device that there is not; a file of another kind, or one that holds
            more than tensors.
    """
    with LOADING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _loaded(str(name), weights)
    try:
        network.model.to(device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(f"device {str(device)!r}: {error}") from error
    return network


def _loaded(name: str, weights: str | Path | None) -> Pretrained:
    path, colon, last = name.rpartition(":")
    if path.endswith(".py"):
        return from_file.load(Path(path), last, weights)
    if name.endswith(".py"):
        raise ValueError(f"{name}: which function of it makes the network? {name}:FACTORY.")
    if colon and not Path(name).is_file():
        return _of_library(name, weights)
    file = ASSETS / "clip.safetensors" if name == "embedded" else Path(name)
    if not file.is_file():
        raise FileNotFoundError(
            f"{name}: no such network. It is 'embedded', a file that scripts/train_clip.py wrote, FILE.py:FACTORY, or "
            f"{', '.join(f'{library}:NAME' for library in LIBRARIES)}."
        )
    if weights is not None:
        raise ValueError(f"{name}: it has its own weights; it was given {weights}.")
    model, about = load_weights(file)
    return Pretrained(model, model.config.size, tuple(about.pop("labels", ())), about, name, fixed=True)


def _of_library(name: str, weights: str | Path | None) -> Pretrained:
    library, _, network = name.partition(":")
    if library not in LIBRARIES:
        raise ValueError(f"{name}: no such library as {library!r}; there are {', '.join(LIBRARIES)}.")
    package, loader = LIBRARIES[library]
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise ValueError(f"{name}: {library} is not installed; pip install {package}") from error
    return loader(network, weights)


@dataclass(frozen=True)
class Built:
    """A network that a library built, and inputs for it: `inputs(batch, size)`, of its own size where size is None."""

    model: nn.Module
    inputs: Callable[[int, int | None], tuple]


def build(name: str) -> Built:
    """A network of a library's, "LIBRARY:NAME", with random weights; nothing is downloaded.

    Raises:
        ValueError: there is no such library, it is not installed, or it has no such network.
    """
    network = _of_library(name, "random")
    pictures = images(network.size)
    if not network.reads:
        return Built(network.model, pictures)

    def inputs(batch: int, size: int | None) -> tuple[Tensor, ...]:
        return *pictures(batch, size), from_open_clip.tokens(name.partition(":")[2], batch)

    return Built(network.model, inputs)


def images(size: int = 224) -> Callable[[int, int | None], tuple[Tensor, ...]]:
    """Pictures [batch, 3, given, given], or of that size."""
    return lambda batch, given: (torch.randn(batch, 3, given or size, given or size).requires_grad_(),)
