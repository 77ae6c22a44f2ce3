"""Networks of timm: "timm:NAME" or "timm:NAME.TAG", with the weights of a tag, or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .download import downloading_from_hub, downloading_from_url
from .pretrained import Pretrained, check_known
from .state_dict import explaining_mismatch, local_file, number_of_classes, read_state_dict, tensors_only


def load_timm(name: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a tag of the network's, by default its first; a file; or "random".

    Raises:
        ValueError: timm has no such network or weights, or the file holds another network's.
        FileNotFoundError: there is no such file, or the weights cannot be downloaded.
    """
    import timm

    architecture, _, tag = name.partition(".")
    check_known("timm", "network", architecture, timm.list_models())
    if weights == "random":
        return pretrained_timm(name, timm.create_model(architecture, pretrained=False), "random")
    if weights and (path := local_file(weights)):
        return _of_file(name, path)
    tags = [model.partition(".")[2] for model in timm.list_models(f"{architecture}.*", pretrained=True)]
    if not tags:
        raise ValueError(f"timm has no weights of {architecture}: give a file, or weights='random'.")
    if tag := str(weights or tag):
        check_known("timm", f"weights of {architecture}", tag, tags)
    cfg: Any = timm.get_pretrained_cfg(f"{architecture}.{tag}".rstrip("."))
    full = f"{architecture}.{cfg.tag}"
    if cfg.hf_hub_id:
        where = downloading_from_hub(f"timm:{full}", cfg.hf_hub_id, ("model.safetensors", "pytorch_model.bin"))
    else:
        where = downloading_from_url(f"timm:{full}", cfg.url, Path(torch.hub.get_dir()) / "checkpoints")
    with where:
        return pretrained_timm(full, timm.create_model(full, pretrained=True), cfg.tag)


def _of_file(name: str, path: Path) -> Pretrained:
    import timm

    options: dict[str, Any] = {}
    if path.suffix != ".npz":
        n = number_of_classes(timm.create_model(name, pretrained=False), read_state_dict(path))
        options = {"num_classes": n} if n else {}
    cfg = {"file": str(path), "custom_load": path.suffix == ".npz"} | options  # Google published some as .npz
    with explaining_mismatch(path, f"timm:{name}"), tensors_only(path):
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=cfg, **options)
    return pretrained_timm(name, model, str(path))


def pretrained_timm(name: str, model: Any, weights: str) -> Pretrained:
    """A network of timm, with the preprocessing and the classes that timm knows."""
    cfg = model.pretrained_cfg
    described = [] if weights == "random" else _imagenet(model)
    labels = () if weights == "random" else tuple(cfg.get("label_names") or [each.split(", ")[0] for each in described])
    return Pretrained(
        model.eval(),
        max(cfg["input_size"][1:]),
        labels,
        {"weights": weights},
        f"timm:{name}",
        tuple(cfg["mean"]),
        tuple(cfg["std"]),
        bool(cfg.get("fixed_input_size")),
        synonyms=tuple(tuple(each.split(", ")[1:]) for each in described),
    )


def _imagenet(model: Any) -> list[str]:
    """The names of each class, with commas, if the number of classes is that of an ImageNet version."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset(model)
    return list(ImageNetInfo(subset).label_descriptions()) if subset else []
