"""A trained CLIP as one file: its tensors in half precision, as safetensors, and its configuration in the metadata."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from ..files import regular, whole
from .clip import CLIP, Config
from .vocabulary import Vocabulary


def save_clip(model: CLIP, path: str | Path, **about: Any) -> None:
    """Writes `model` to `path`, with metadata `about` (labels, provenance, evaluation) as JSON.

    Raises:
        NotWritten: it cannot be written; `path` still holds the old file, if there was one.
    """
    from safetensors.torch import save_file

    tensors = {
        name: (t.half() if t.is_floating_point() else t).detach().contiguous().cpu()
        for name, t in model.state_dict().items()
    }
    metadata = {"config": dataclasses.asdict(model.config), **about}
    with whole(Path(path)) as beside:
        save_file(tensors, beside, {name: json.dumps(value) for name, value in metadata.items()})


def load_clip(path: str | Path) -> tuple[CLIP, dict[str, Any]]:
    """The model in a file that `save_clip` wrote, in evaluation mode, its parameters frozen; and its metadata.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: `save_clip` did not write it.
    """
    from safetensors import safe_open

    path = regular(Path(path))
    try:
        with safe_open(path, "pt") as file:
            about = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
            if "config" not in about:
                raise ValueError("it has no config in its metadata")
            tensors = {name: _full(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        if not isinstance(labels := about.get("labels", []), list) or not all(isinstance(n, str) for n in labels):
            raise ValueError("its labels are not a list of words")
        with torch.device("meta"):  # whatever sizes the config claims, only the tensors in the file take memory
            model = CLIP(_config(about.pop("config"), len(tensors)))
        model.load_state_dict(tensors, assign=True)
    except Exception as error:  # a broken file raises errors of many kinds
        raise ValueError(f"{path} is not a CLIP that scripts/train_clip.py wrote: {error}") from error
    return model.requires_grad_(False).eval(), about


def _full(t: torch.Tensor) -> torch.Tensor:
    return t.float() if t.is_floating_point() else t


def _config(fields: dict[str, Any], tensors: int) -> Config:
    """The configuration of a network with so many tensors, from untrusted JSON."""
    vocabulary = fields.pop("vocabulary")
    tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    config = Config(Vocabulary(tuple(vocabulary["words"]), vocabulary["context"]), **tuples)
    given = dataclasses.asdict(config) | {"vocabulary": config.vocabulary.context}
    sizes = [n for value in given.values() for n in (value if isinstance(value, tuple) else [value])]
    if wrong := [n for n in sizes if type(n) is not int or not 0 < n < 2**24]:
        raise ValueError(f"its config has a size of {wrong[0]!r}")
    if not all(isinstance(word, str) for word in config.vocabulary.words):
        raise ValueError("its vocabulary is not a list of words")
    if config.text_width % config.text_heads:
        raise ValueError(f"its config has {config.text_heads} heads for {config.text_width} channels")
    if sum(config.blocks) + config.text_blocks > tensors:
        raise ValueError("its config has more blocks than it has tensors")
    return config
