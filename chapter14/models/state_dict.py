"""Weights in files: tensors, and nothing that runs. What is not there is said, and how to get it."""

from __future__ import annotations

import difflib
import pickle
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..files import regular

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz", ".tar")
WRAPPERS = ("state_dict", "model", "state_dict_ema", "model_ema")  # of what training scripts save


@contextmanager
def tensors_only(file: str | Path) -> Iterator[None]:
    """Inside, a file is loaded that is to have tensors alone in it.

    Raises:
        ValueError: `file` has anything else in it.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise ValueError(f"{file}: it is no file of safetensors, or a broken one: {error}") from error
    except (pickle.UnpicklingError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "TorchScript" not in str(error) and "weights_only" not in str(error):
            raise
        raise ValueError(
            f"{file}: it is no file of tensors alone, and is not loaded: to unpickle anything else would run what it "
            "says. What is trusted can be saved again, its state_dict() with torch.save or safetensors."
        ) from error


def read(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of safetensors or of torch.save.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no state dict, or more than that.
    """
    from safetensors.torch import load_file

    if regular(path).stat().st_size == 0:
        raise ValueError(f"{path}: it is empty.")
    try:
        with tensors_only(path):
            if path.suffix == ".safetensors":
                found: Any = load_file(path)
            else:
                _not_inflated(path)
                found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a broken file, torch and pickle raise errors of many kinds
        if isinstance(error, ValueError) and str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: it cannot be read: {said(error)}") from error
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found or not all(isinstance(t, Tensor) for t in found.values()):
        raise ValueError(f"{path}: it is no state dict, tensors by name, but {type(found).__name__}.")
    if wrong := [str(name) for name, t in found.items() if not isinstance(name, str) or not _plain(t)]:
        raise ValueError(f"{path}: {wrong[0]} is no tensor that has a name, and every entry of its own.")
    return {name.removeprefix("module."): t for name, t in found.items()}  # "module." is DataParallel's


def _not_inflated(path: Path) -> None:
    """torch.save compresses nothing: a file that says that it holds more than it has bytes would fill the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            size, said = path.stat().st_size, sum(entry.file_size for entry in file.infolist())
        if said > size:
            raise ValueError(f"{path}: it has {size} bytes, and says that it holds {said}.")


def _plain(t: Tensor) -> bool:
    if t.layout != torch.strided or t.is_quantized or t.is_nested or t.device.type != "cpu":
        return False
    return t.numel() * t.element_size() <= t.untyped_storage().nbytes()


def said(error: BaseException) -> str:
    """What an error says, in a line."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def fill(model: nn.Module, state: Mapping[str, Tensor], path: Path, name: str) -> None:
    """
    Raises:
        ValueError: `path` has the weights of another network.
    """
    with told(path, name):
        model.load_state_dict(state)


@contextmanager
def told(path: Path, name: str) -> Iterator[None]:
    """A file whose tensors are another network's.

    Raises:
        ValueError: it was.
    """
    try:
        yield
    except Exception as error:  # of a broken file, the libraries raise errors of many kinds
        if isinstance(error, ValueError) and str(error).startswith(f"{path}: "):
            raise
        why = (
            f"{error} is not in it." if isinstance(error, KeyError) else "\n".join(map(_short, str(error).splitlines()))
        )
        raise ValueError(f"{path}: these are not the weights of {name}. {why}") from error


def _short(line: str) -> str:
    """Of all the names of another network, the first say it."""
    return line if len(line) <= 160 else f"{line[:160]}..."


def classes(model: nn.Module, state: Mapping[str, Tensor]) -> int | None:
    """How many classes a state dict has, where it is `model`'s in all but that."""
    own = model.state_dict()
    other = {
        t.shape[0]
        for name, t in state.items()
        if name in own and t.shape != own[name].shape and t.ndim and t.shape[1:] == own[name].shape[1:]
    }
    return other.pop() if len(other) == 1 else None


@contextmanager
def fetched(name: str, source: str, cached: Callable[[], Path | None], how: str) -> Iterator[None]:
    """Inside, a library loads its weights from its cache, `cached()`, or from the network into it.

    Raises:
        FileNotFoundError: they are in neither; it says `how` to get them from `source`.
        ValueError: those in the cache cannot be read.
    """
    try:
        with tensors_only(source):
            yield
    except Exception as error:  # of a broken file, the libraries raise errors of many kinds
        if (path := cached()) and path.is_file():
            raise ValueError(f"{name}: its weights in {path} cannot be read: {said(error)}") from error
        if not isinstance(error, OSError | RuntimeError):
            raise
        raise FileNotFoundError(
            f"{name}: its weights are not on this machine, and cannot be fetched: {said(error).rstrip('.')}. They are "
            f"{source}. {how}, or give the file itself as weights (--weights FILE)."
        ) from error


@contextmanager
def fetched_from_hub(name: str, repository: str, files: tuple[str, ...]) -> Iterator[None]:
    """The same, from a repository of the Hugging Face hub, where the first of `files` that it has is loaded."""
    from huggingface_hub import constants, try_to_load_from_cache

    def cached() -> Path | None:
        found = [try_to_load_from_cache(repository, file) for file in files]
        return next((Path(path) for path in found if isinstance(path, str)), None)

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    source = f"https://huggingface.co/{repository}/resolve/main/{files[0]}"
    how = f"`hf download {repository} {files[0]}` puts it into {folder}"
    with fetched(name, source, cached, how):
        yield


def local(weights: str | Path) -> Path | None:
    """A file of weights, where `weights` is one and no name.

    Raises:
        FileNotFoundError: it would be one, and is not there.
    """
    path = Path(weights)
    if path.is_file():
        return path
    if isinstance(weights, Path) or path.suffix in SUFFIXES or path.parent != Path():
        return regular(path)
    return None


def known(library: str, kind: str, name: str, names: Iterable[str], last: str = "") -> None:
    """
    Raises:
        ValueError: `name` is none of `names`; it says which are near.
    """
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(name, names, 5, 0.4) if len(names) > 30 else names
        said = ("Near it" if len(names) > 30 else "There are") + f": {', '.join(near)}." if near else ""
        raise ValueError(" ".join(filter(None, [f"{library} has no {kind} {name!r}.", said, last])))
