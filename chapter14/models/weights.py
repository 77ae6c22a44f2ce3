"""A trained CLIP as one file: its tensors as safetensors, in half precision, and in the metadata what they are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .clip import CLIP, Config
from .words import Vocabulary


def save(model: CLIP, path: str | Path, **about: Any) -> None:
    """Write `model` to `path`, with whatever else there is to say (labels, provenance, evaluation) as JSON.

    The file is written beside `path` and then renamed: `path` is the old file or the new one, whole.
    """
    from safetensors.torch import save_file

    tensors = {name: t.detach().half().contiguous().cpu() for name, t in model.state_dict().items()}
    said = {"config": dataclasses.asdict(model.config), **about}
    beside = Path(f"{path}.{os.getpid()}.part")
    try:
        save_file(tensors, beside, {name: json.dumps(value) for name, value in said.items()})
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load(path: str | Path) -> tuple[CLIP, dict[str, Any]]:
    """The model in a file that `save` wrote, its parameters fixed, and what the file says about it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a file that `save` wrote.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    try:
        with safe_open(path, "pt") as file:
            about = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
            if "config" not in about:
                raise ValueError("it has no config in its metadata")
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        model = CLIP(_config(about.pop("config")))
        model.load_state_dict(tensors)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} is not a CLIP that scripts/train_clip.py wrote: {error}") from error
    return model.requires_grad_(False).eval(), about


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """64 bits of the names and values of tensors, in hexadecimal: other weights, another fingerprint."""
    digest = hashlib.blake2b(digest_size=8)
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {list(t.shape)}".encode())
        digest.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _config(fields: dict[str, Any]) -> Config:
    vocabulary = fields.pop("vocabulary")
    tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return Config(Vocabulary(tuple(vocabulary["words"]), vocabulary["context"]), **tuples)
