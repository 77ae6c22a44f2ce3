"""Networks of timm: "timm:NAME" or "timm:NAME.TAG", with the weights of a tag, or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .pretrained import Pretrained
from .state_dict import classes, fetched, fetched_from_hub, known, local, read, tensors_only, told


def load(name: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a tag of the network's, by default its first; a file; or "random".

    Raises:
        ValueError: timm has no such network or weights, or the file's are another's.
        FileNotFoundError: there is no such file, or the weights cannot be fetched.
    """
    import timm

    architecture, _, tag = name.partition(".")
    known("timm", "network", architecture, timm.list_models())
    if weights == "random":
        return _pretrained(name, timm.create_model(architecture, pretrained=False), "random")
    if weights and (path := local(weights)):
        return _of_file(name, path)
    tags = [model.partition(".")[2] for model in timm.list_models(f"{architecture}.*", pretrained=True)]
    if not tags:
        raise ValueError(f"timm has no weights of {architecture}: give a file, or weights='random'.")
    if tag := str(weights or tag):
        known("timm", f"weights of {architecture}", tag, tags)
    cfg: Any = timm.get_pretrained_cfg(f"{architecture}.{tag}".rstrip("."))
    full = f"{architecture}.{cfg.tag}"
    if cfg.hf_hub_id:
        where = fetched_from_hub(f"timm:{full}", cfg.hf_hub_id, ("model.safetensors", "pytorch_model.bin"))
    else:
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(cfg.url).name
        where = fetched(f"timm:{full}", cfg.url, lambda: cached, f"Put it at {cached}")
    with where:
        return _pretrained(full, timm.create_model(full, pretrained=True), cfg.tag)


def _of_file(name: str, path: Path) -> Pretrained:
    import timm

    options: dict[str, Any] = {}
    if path.suffix != ".npz":
        n = classes(timm.create_model(name, pretrained=False), read(path))
        options = {"num_classes": n} if n else {}
    cfg = {"file": str(path), "custom_load": path.suffix == ".npz"} | options  # .npz is how some of them were given
    with told(path, f"timm:{name}"), tensors_only(path):
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=cfg, **options)
    return _pretrained(name, model, str(path))


def _pretrained(name: str, model: Any, weights: str) -> Pretrained:
    cfg = model.pretrained_cfg
    labels = () if weights == "random" else tuple(cfg.get("label_names") or _imagenet(model))
    size, about = max(cfg["input_size"][1:]), {"weights": weights}
    fixed = bool(cfg.get("fixed_input_size"))
    return Pretrained(model.eval(), size, labels, about, f"timm:{name}", tuple(cfg["mean"]), tuple(cfg["std"]), fixed)


def _imagenet(model: Any) -> list[str]:
    """The first of each class's names, where the number of classes says that they are ImageNet's."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset(model)
    return [said.partition(",")[0] for said in ImageNetInfo(subset).label_descriptions()] if subset else []
