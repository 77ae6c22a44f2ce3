"""A trained CLIP as one file: its tensors as safetensors, in half precision, and in the metadata what they are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import regular, whole
from .clip import CLIP, Config
from .vocabulary import Vocabulary


def save(model: CLIP, path: str | Path, **about: Any) -> None:
    """Write `model` to `path`, with whatever else there is to say (labels, provenance, evaluation) as JSON.

    Raises:
        NotWritten: it could not be; `path` is the old file or the new one, whole.
    """
    from safetensors.torch import save_file

    tensors = {name: t.detach().half().contiguous().cpu() for name, t in model.state_dict().items()}
    said = {"config": dataclasses.asdict(model.config), **about}
    with whole(Path(path)) as beside:
        save_file(tensors, beside, {name: json.dumps(value) for name, value in said.items()})


def load(path: str | Path) -> tuple[CLIP, dict[str, Any]]:
    """The model in a file that `save` wrote, its parameters fixed, and what the file says about it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a file that `save` wrote.
    """
    from safetensors import safe_open

    path = regular(Path(path))
    try:
        with safe_open(path, "pt") as file:
            about = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
            if "config" not in about:
                raise ValueError("it has no config in its metadata")
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        if not isinstance(labels := about.get("labels", []), list) or not all(isinstance(n, str) for n in labels):
            raise ValueError("its labels are no list of words")
        with torch.device("meta"):  # what it says of its sizes takes no memory: the tensors that it has do
            model = CLIP(_config(about.pop("config"), len(tensors)))
        model.load_state_dict(tensors, assign=True)
    except Exception as error:  # of a broken file, there are errors of many kinds
        raise ValueError(f"{path} is not a CLIP that scripts/train_clip.py wrote: {error}") from error
    return model.requires_grad_(False).eval(), about


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """64 bits of the names and values of tensors, in hexadecimal: other weights, another fingerprint."""
    digest = hashlib.blake2b(digest_size=8)
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {list(t.shape)}".encode())
        digest.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _config(fields: dict[str, Any], tensors: int) -> Config:
    """Of a network of so many tensors."""
    vocabulary = fields.pop("vocabulary")
    tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    config = Config(Vocabulary(tuple(vocabulary["words"]), vocabulary["context"]), **tuples)
    given = dataclasses.asdict(config) | {"vocabulary": config.vocabulary.context}
    sizes = [n for value in given.values() for n in (value if isinstance(value, tuple) else [value])]
    if wrong := [n for n in sizes if type(n) is not int or not 0 < n < 2**24]:
        raise ValueError(f"its config has a size of {wrong[0]!r}")
    if not all(isinstance(word, str) for word in config.vocabulary.words):
        raise ValueError("its vocabulary is no list of words")
    if config.text_width % config.text_heads:
        raise ValueError(f"its config has {config.text_heads} heads for {config.text_width} channels")
    if sum(config.blocks) + config.text_blocks > tensors:
        raise ValueError("its config has more blocks than it has tensors")
    return config
