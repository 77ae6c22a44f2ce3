"""Networks of torchvision: "torchvision:NAME", with its weights by name, or in a file."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from .pretrained import Pretrained
from .state_dict import classes, fetched, fill, known, local, read

WITH_TRANSFORM = ("googlenet", "inception_v3")  # which have their own normalisation undone inside


def load(name: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a member of the network's Weights, by default DEFAULT; a file; or "random".

    Raises:
        ValueError: torchvision has no such network or weights, or the file's are another's.
        FileNotFoundError: there is no such file, or the weights cannot be fetched.
    """
    from torchvision import models

    known("torchvision", "network", name, models.list_models())
    entries: Any = models.get_model_weights(name)
    weights = weights or "DEFAULT"
    if weights == "random":
        return _pretrained(name, _built(name), entries.DEFAULT, "random")
    if path := local(weights):
        return _of_file(name, path, entries)
    member = str(weights).removeprefix(f"{entries.__name__}.")
    known("torchvision", f"weights of {name}", member, entries.__members__)
    entry = entries[member]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / _file(entry)
    with fetched(f"torchvision:{name}", entry.url, lambda: cached, f"Put it at {cached}"):
        entry.get_state_dict(map_location="cpu", check_hash=True, weights_only=True)  # get_model would unpickle it all
        return _pretrained(name, models.get_model(name, weights=entry), entry, entry.name)


def _of_file(name: str, path: Path, entries: Any) -> Pretrained:
    """A file that torchvision offers for download is known by its name; what it says of itself holds."""
    state = renamed(read(path))
    entry = next((entry for entry in entries if _file(entry) == path.name), entries.DEFAULT)
    options: dict[str, Any] = {}
    if "min_size" in entry.meta and name.startswith("vit_"):
        options["image_size"] = entry.meta["min_size"][0]
    if name in WITH_TRANSFORM:
        options["aux_logits"] = any(key.lower().startswith("aux") for key in state)
    model = _built(name, **options)
    if n := classes(model, state):
        model = _built(name, num_classes=n, **options)
    fill(model, state, path, f"torchvision:{name}")
    return _pretrained(name, model, entry, str(path), n)


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The densenets that torchvision offers have old names, norm.1 for norm1, which it mends as it loads them."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key): t for key, t in state.items()}


def _built(name: str, **options: Any) -> nn.Module:
    """The network with random weights."""
    from torchvision import models

    parameters = inspect.signature(models.get_model_builder(name)).parameters
    options |= {key: None for key in ("weights", "weights_backbone") if key in parameters}
    if name in WITH_TRANSFORM:
        options |= {"init_weights": False, "transform_input": True}  # to draw these weights is slow, and for training
    return models.get_model(name, **options)


def _file(entry: Any) -> str:
    return Path(urlparse(entry.url).path).name


def _pretrained(name: str, model: nn.Module, entry: Any, weights: str, n: int | None = None) -> Pretrained:
    """`n` classes, where those of `entry` are others."""
    seen, fixed = entry.transforms(), name.startswith(("vit_", "maxvit"))
    own = 299 if name == "inception_v3" else 224 if weights == "random" else max(getattr(seen, "crop_size", [224]))
    labels = () if n or weights == "random" else tuple(entry.meta.get("categories") or ())
    # a detector has none: it normalises by itself, pictures from 0 to 1
    mean, std = tuple(getattr(seen, "mean", (0.0, 0.0, 0.0))), tuple(getattr(seen, "std", (1.0, 1.0, 1.0)))
    size = getattr(model, "image_size", own)
    return Pretrained(model.eval(), size, labels, {"weights": weights}, f"torchvision:{name}", mean, std, fixed)
