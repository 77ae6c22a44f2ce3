"""Networks of torchvision: "torchvision:NAME", with weights by name, or in a file."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from .download import downloading_from_url
from .pretrained import Pretrained, check_known
from .state_dict import explaining_mismatch, local_file, number_of_classes, read_state_dict

WITH_TRANSFORM = ("googlenet", "inception_v3")  # their pretrained versions undo the normalization inside


def load_torchvision(name: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a member of the network's Weights enum, by default DEFAULT; a file; or "random".

    Raises:
        ValueError: torchvision has no such network or weights, or the file holds another network's.
        FileNotFoundError: there is no such file, or the weights cannot be downloaded.
    """
    from torchvision import models

    check_known("torchvision", "network", name, models.list_models())
    entries: Any = models.get_model_weights(name)
    weights = weights or "DEFAULT"
    if weights == "random":
        return _pretrained(name, _built(name), entries.DEFAULT, "random")
    if path := local_file(weights):
        return _of_file(name, path, entries)
    member = str(weights).removeprefix(f"{entries.__name__}.")
    check_known("torchvision", f"weights of {name}", member, entries.__members__)
    entry = entries[member]
    with downloading_from_url(f"torchvision:{name}", entry.url, Path(torch.hub.get_dir()) / "checkpoints"):
        entry.get_state_dict(map_location="cpu", check_hash=True, weights_only=True)  # get_model would unpickle it all
        return _pretrained(name, models.get_model(name, weights=entry), entry, entry.name)


def _of_file(name: str, path: Path, entries: Any) -> Pretrained:
    """A file that torchvision offers for download is recognized by its name, which tells its preprocessing."""
    state = with_current_names(read_state_dict(path))
    entry = next((entry for entry in entries if Path(urlparse(entry.url).path).name == path.name), entries.DEFAULT)
    options: dict[str, Any] = {}
    if "min_size" in entry.meta and name.startswith("vit_"):
        options["image_size"] = entry.meta["min_size"][0]
    if name in WITH_TRANSFORM:
        options["aux_logits"] = any(key.lower().startswith("aux") for key in state)
    model = _built(name, **options)
    if n := number_of_classes(model, state):
        model = _built(name, num_classes=n, **options)
    with explaining_mismatch(path, f"torchvision:{name}"):
        model.load_state_dict(state)
    return _pretrained(name, model, entry, str(path), n)


def with_current_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The densenets that torchvision offers have old names, norm.1 for norm1, which torchvision renames on loading."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key): t for key, t in state.items()}


def _built(name: str, **options: Any) -> nn.Module:
    """The network with random weights."""
    from torchvision import models

    parameters = inspect.signature(models.get_model_builder(name)).parameters
    options |= {key: None for key in ("weights", "weights_backbone") if key in parameters}
    if name in WITH_TRANSFORM:
        options |= {"init_weights": False, "transform_input": True}  # their initialization is slow
    return models.get_model(name, **options)


def _pretrained(name: str, model: nn.Module, entry: Any, weights: str, n: int | None = None) -> Pretrained:
    """`n`: the number of classes, if they are not those of `entry`."""
    seen, fixed = entry.transforms(), name.startswith(("vit_", "maxvit"))
    default = 299 if name == "inception_v3" else 224 if weights == "random" else max(getattr(seen, "crop_size", [224]))
    labels = () if n or weights == "random" else tuple(entry.meta.get("categories") or ())
    # a detector has none: it normalizes pictures from 0 to 1 itself
    mean, std = tuple(getattr(seen, "mean", (0.0, 0.0, 0.0))), tuple(getattr(seen, "std", (1.0, 1.0, 1.0)))
    size = getattr(model, "image_size", default)
    return Pretrained(model.eval(), size, labels, {"weights": weights}, f"torchvision:{name}", mean, std, fixed)
