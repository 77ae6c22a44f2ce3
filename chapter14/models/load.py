"""Loads a network by name.

    embedded            the small CLIP of this package, in assets/clip.safetensors
    imagenet            EfficientNet-Lite0, a classifier of ImageNet's 1000 classes (imagenet.py)
    FILE                another CLIP, written by scripts/train_clip.py
    LIBRARY:NAME        a network of torchvision, timm or open_clip, if it is installed
    FILE.py:FACTORY     what a function in the user's Python file returns (from_file.py)

`weights` are the library's name for them, a file of tensors, or "random". By default they are the library's default;
the library itself downloads and caches them.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import from_open_clip, from_timm, from_torchvision
from .clip_file import load_clip
from .from_file import load_from_file
from .imagenet import load_efficientnet_lite
from .pretrained import Pretrained

ASSETS = Path(__file__).parent.parent / "assets"

LOCK = threading.RLock()  # the random generator and the libraries' settings are global

#: Library -> its name for pip, and how its networks are loaded.
LIBRARIES: dict[str, tuple[str, Callable[[str, str | Path | None], Pretrained]]] = {
    "torchvision": ("torchvision", from_torchvision.load_torchvision),
    "timm": ("timm", from_timm.load_timm),
    "open_clip": ("open_clip_torch", from_open_clip.load_open_clip),
}


def load_network(
    name: str | Path = "embedded", weights: str | Path | None = None, device: str | torch.device | None = None
) -> Pretrained:
    """The network of that name or in that file, with these weights. Random weights are the same each time.

    Networks are loaded by one thread at a time.

    Raises:
        FileNotFoundError: there is no such file or name; or the weights are neither cached nor downloadable, and the
            message says where to get them.
        ValueError: there is no such library, network, weights or device; or the file is of another kind, or holds more
            than tensors.
    """
    with LOCK, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _loaded(str(name), weights)
    try:
        network.model.to(device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(f"device {str(device)!r}: {error}") from error
    return network


def _loaded(name: str, weights: str | Path | None) -> Pretrained:
    path, colon, factory = name.rpartition(":")
    if path.endswith(".py"):
        return load_from_file(Path(path), factory, weights)
    if name.endswith(".py"):
        raise ValueError(f"{name}: which of its functions makes the network? Write {name}:FACTORY.")
    if colon and not Path(name).is_file():
        return _of_library(name, weights)
    file = ASSETS / "clip.safetensors" if name == "embedded" else Path(name)
    if name != "imagenet" and not file.is_file():
        raise FileNotFoundError(
            f"{name}: no such network. It is 'embedded', 'imagenet', a file that scripts/train_clip.py wrote, "
            f"FILE.py:FACTORY, or {', '.join(f'{library}:NAME' for library in LIBRARIES)}."
        )
    if weights is not None:
        raise ValueError(f"{name}: it has its own weights; it was given {weights}.")
    if name == "imagenet":
        return load_efficientnet_lite()
    model, about = load_clip(file)
    return Pretrained(model, model.config.size, tuple(about.pop("labels", ())), about, name, fixed=True)


def _of_library(name: str, weights: str | Path | None) -> Pretrained:
    library, _, network = name.partition(":")
    if library not in LIBRARIES:
        raise ValueError(f"{name}: no such library as {library!r}; there are {', '.join(LIBRARIES)}.")
    package, load = LIBRARIES[library]
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise ValueError(f"{name}: {library} is not installed; pip install {package}") from error
    return load(network, weights)


class NetworkWithInputs(NamedTuple):
    """A network, and random inputs for it: `inputs(batch, size)`, of the network's own size if size is None."""

    model: nn.Module
    inputs: Callable[[int, int | None], tuple]


def build_network(name: str) -> NetworkWithInputs:
    """A library's network, "LIBRARY:NAME", with random weights; nothing is downloaded.

    Raises:
        ValueError: there is no such library, it is not installed, or it has no such network.
    """
    network = _of_library(name, "random")
    pictures = random_pictures(network.size)
    if not network.reads:
        return NetworkWithInputs(network.model, pictures)
    token = from_open_clip.random_tokens
    return NetworkWithInputs(
        network.model, lambda batch, size: (*pictures(batch, size), token(name.partition(":")[2], batch))
    )


def random_pictures(default: int) -> Callable[[int, int | None], tuple[Tensor, ...]]:
    """(batch, size) → pictures [batch, 3, size, size] that require a gradient."""
    return lambda batch, size: (torch.randn(batch, 3, size or default, size or default).requires_grad_(),)
