"""Networks of open_clip, which read: "open_clip:NAME", with the weights of a tag, or in a file.

    f = encode_image(x) / |encode_image(x)|    [B, D]
    t = encode_text(s) / |encode_text(s)|      [T, D]

A tag says whether its network has OpenAI's "quick" gelu. A file does not: then the name does, as ViT-B-32-quickgelu.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import functional as F
from .pretrained import Pretrained
from .state_dict import fetched, fetched_from_hub, known, local, read, tensors_only, told

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
SILENCE = threading.RLock()  # what logs is the process's


def load(name: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a tag of the network's, by default its only one; a file; or "random".

    Raises:
        ValueError: open_clip has no such network or weights, or the file's are another's.
        FileNotFoundError: there is no such file, or the weights cannot be fetched.
    """
    import open_clip

    known("open_clip", "network", name, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(name)
    if weights is None and len(tags) == 1:
        weights = tags[0]
    if weights is None:
        said = ", ".join([*tags, "'random', or a file"])
        raise ValueError(f"open_clip:{name}: which weights? (--weights) There are: {said}.")
    if weights == "random":
        try:
            return _pretrained(name, _created(name), "random")
        except (OSError, RuntimeError) as error:  # parts of it may be another library's, and be fetched
            why = str(error).strip().splitlines()[0]
            raise ValueError(f"open_clip:{name}: it cannot be built here. {type(error).__name__}: {why}") from error
    if path := local(weights):
        if path.suffix not in (".npz", ".npy"):
            read(path)
        with told(path, f"open_clip:{name}"), tensors_only(path):
            return _pretrained(name, _created(name, str(path), force_preprocess_cfg=_agreed(name, tags)), str(path))
    tag = str(weights)
    known("open_clip", f"weights of {name}", tag, tags)
    cfg = open_clip.get_pretrained_cfg(name, tag)
    with _place(f"open_clip:{name}", cfg):
        return _pretrained(name, _created(name, tag, force_quick_gelu=bool(cfg.get("quick_gelu"))), tag)


def _place(name: str, cfg: dict) -> Any:
    """Where open_clip has the weights of a tag from: the hub, or else an address."""
    if cfg.get("hf_hub"):
        repository, _, file = cfg["hf_hub"].rpartition("/")
        safe = (f"{Path(file).stem}.safetensors", file)
        return fetched_from_hub(name, repository, safe if file else FILES)
    cached = Path("~/.cache/clip").expanduser() / Path(cfg["url"]).name
    return fetched(name, cfg["url"], lambda: cached, f"Put it at {cached}")


def _agreed(name: str, tags: Sequence[str]) -> dict[str, Any]:
    """The preprocessing of a network's weights, where all that open_clip knows have the same."""
    import open_clip

    cfgs = [open_clip.get_pretrained_cfg(name, tag) for tag in tags]
    said: list[dict[str, Any]] = [{key: cfg[key] for key in ("mean", "std") if key in cfg} for cfg in cfgs]
    return said[0] if said and all(one == said[0] for one in said) else {}


def _created(name: str, pretrained: str | None = None, **options: Any) -> Any:
    import open_clip

    with _silent():
        return open_clip.create_model(name, pretrained, pretrained_text=False, **options)


@contextmanager
def _silent() -> Iterator[None]:
    """open_clip logs what its errors say too."""
    with SILENCE:
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


def _pretrained(name: str, model: Any, weights: str) -> Pretrained:
    seen = model.visual.preprocess_cfg
    size = seen["size"] if isinstance(seen["size"], int) else max(seen["size"])
    encode = functools.partial(model.encode_image, normalize=True)
    return Pretrained(
        model.eval(),
        size,
        (),
        {"weights": weights},
        f"open_clip:{name}",
        tuple(seen["mean"]),
        tuple(seen["std"]),
        fixed=True,
        encode=encode,
        read=functools.partial(_read, name, model),
    )


def _read(name: str, model: Any, sentences: Sequence[str]) -> Tensor:
    """T sentences → t [T, D], of length 1."""
    import open_clip

    try:
        with _silent():
            tokenize = open_clip.get_tokenizer(name)
    except Exception as error:  # as many as there are libraries of tokenizers
        raise ValueError(f"open_clip:{name}: its tokenizer cannot be had. {type(error).__name__}: {error}") from error
    return F.normalize(model.encode_text(tokenize(list(sentences)).to(model.logit_scale.device)), dim=-1)


def tokens(name: str, batch: int) -> Tensor:
    """Numbers of words that the network could read."""
    import open_clip

    cfg = open_clip.get_model_config(name)["text_cfg"]
    return torch.randint(1, cfg.get("vocab_size", 1000), (batch, cfg.get("context_length", 77)))
