"""CLIPs of open_clip: "open_clip:NAME", with the weights of a tag, or in a file. They read sentences.

    f = encode_image(x) / |encode_image(x)|    [B, D]
    t = encode_text(s) / |encode_text(s)|      [T, D]

A tag tells whether its network uses OpenAI's "quick" gelu. For a file, the name does: ViT-B-32-quickgelu.
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
from .download import downloading_from_hub, downloading_from_url, hub_if_reachable
from .pretrained import Pretrained, check_known
from .state_dict import explaining_mismatch, first_line, local_file, read_state_dict, tensors_only

FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
LOGGING_LOCK = threading.RLock()  # the log level is global


def load_open_clip(name: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a tag of the network's, by default its only one; a file; or "random".

    Raises:
        ValueError: open_clip has no such network or weights, or the file holds another network's.
        FileNotFoundError: there is no such file, or the weights cannot be downloaded.
    """
    import open_clip

    check_known("open_clip", "network", name, open_clip.list_models())
    title, tags = f"open_clip:{name}", open_clip.list_pretrained_tags_by_model(name)
    if weights is None:
        if len(tags) != 1:
            raise ValueError(f"{title}: which weights? (--weights) There are: {', '.join(tags)}, 'random', or a file.")
        weights = tags[0]
    if weights == "random":
        try:
            return _pretrained(name, _created(name), "random")
        except (OSError, RuntimeError) as error:  # parts of it may be downloaded by another library
            why = f"{type(error).__name__}: {first_line(error)}"
            raise ValueError(f"{title}: it cannot be built here. {why}") from error
    if path := local_file(weights):
        if path.suffix not in (".npz", ".npy"):
            read_state_dict(path)
        with explaining_mismatch(path, title), tensors_only(path):
            model = _created(name, str(path), force_preprocess_cfg=_common_preprocessing(name, tags))
            return _pretrained(name, model, str(path))
    tag = str(weights)
    check_known("open_clip", f"weights of {name}", tag, tags)
    cfg = open_clip.get_pretrained_cfg(name, tag)
    if cfg.get("hf_hub"):
        repository, _, file = cfg["hf_hub"].rpartition("/")
        where = downloading_from_hub(title, repository, (f"{Path(file).stem}.safetensors", file) if file else FILES)
    else:
        where = downloading_from_url(title, cfg["url"], Path("~/.cache/clip").expanduser())
    with where:
        return _pretrained(name, _created(name, tag, force_quick_gelu=bool(cfg.get("quick_gelu"))), tag)


def _common_preprocessing(name: str, tags: Sequence[str]) -> dict[str, Any]:
    """The preprocessing of a network's weights, if all that open_clip knows agree on it."""
    import open_clip

    cfgs = [open_clip.get_pretrained_cfg(name, tag) for tag in tags]
    found: list[dict[str, Any]] = [{key: cfg[key] for key in ("mean", "std") if key in cfg} for cfg in cfgs]
    return found[0] if found and all(one == found[0] for one in found) else {}


def _created(name: str, pretrained: str | None = None, **options: Any) -> Any:
    import open_clip

    with _silent(), hub_if_reachable():
        return open_clip.create_model(name, pretrained, pretrained_text=False, **options)


@contextmanager
def _silent() -> Iterator[None]:
    """Switches logging off: open_clip logs what its exceptions say."""
    with LOGGING_LOCK:
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


def _pretrained(name: str, model: Any, weights: str) -> Pretrained:
    cfg = model.visual.preprocess_cfg
    size = cfg["size"] if isinstance(cfg["size"], int) else max(cfg["size"])
    encode, read = functools.partial(model.encode_image, normalize=True), functools.partial(_read, name, model)
    mean, std, about = tuple(cfg["mean"]), tuple(cfg["std"]), {"weights": weights}
    return Pretrained(model.eval(), size, (), about, f"open_clip:{name}", mean, std, True, encode, read)


def _read(name: str, model: Any, sentences: Sequence[str]) -> Tensor:
    """T sentences → t [T, D], of length 1."""
    import open_clip

    try:
        with _silent(), hub_if_reachable():
            tokenize = open_clip.get_tokenizer(name)
    except Exception as error:  # each tokenizer library raises its own
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"open_clip:{name}: its tokenizer cannot be loaded. {why}") from error
    return F.normalize(model.encode_text(tokenize(list(sentences)).to(model.logit_scale.device)), dim=-1)


def random_tokens(name: str, batch: int) -> Tensor:
    """Token numbers [batch, context] that the network can read."""
    import open_clip

    cfg = open_clip.get_model_config(name)["text_cfg"]
    return torch.randint(1, cfg.get("vocab_size", 1000), (batch, cfg.get("context_length", 77)))
