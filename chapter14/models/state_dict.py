"""Safe loading of weights: reads files of tensors, and runs no code in them."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..files import regular

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz", ".tar")
WRAPPERS = ("state_dict", "model", "state_dict_ema", "model_ema")  # keys under which training scripts save it


@contextmanager
def tensors_only(file: str | Path) -> Iterator[None]:
    """Loads a file inside, with an error that explains why anything but tensors is refused.

    Raises:
        ValueError: `file` holds anything but tensors.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise ValueError(f"{file}: it is not a safetensors file, or is broken: {error}") from error
    except (pickle.UnpicklingError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "TorchScript" not in str(error) and "weights_only" not in str(error):
            raise
        raise ValueError(
            f"{file}: it holds more than tensors, and is not loaded: unpickling anything else would run its code. "
            "If you trust it, save its state_dict() again with torch.save or safetensors."
        ) from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The state dict in a file written by safetensors or torch.save.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a state dict, or holds more than that.
    """
    from safetensors.torch import load_file

    if regular(path).stat().st_size == 0:
        raise ValueError(f"{path}: it is empty.")
    try:
        with tensors_only(path):
            if path.suffix == ".safetensors":
                found: Any = load_file(path)
            else:
                _check_uncompressed(path)
                found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # for a broken file, torch and pickle raise errors of many kinds
        if isinstance(error, ValueError) and str(error).startswith(f"{path}: "):
            raise
        raise ValueError(f"{path}: it cannot be read: {first_line(error)}") from error
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found or not all(isinstance(t, Tensor) for t in found.values()):
        raise ValueError(f"{path}: expected a state dict, tensors by name; it holds {type(found).__name__}.")
    if wrong := [str(name) for name, t in found.items() if not isinstance(name, str) or not _is_plain(t)]:
        raise ValueError(f"{path}: {wrong[0]} is not a dense tensor with a name and its own storage.")
    return {name.removeprefix("module."): t for name, t in found.items()}  # DataParallel adds "module."


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """A 64-bit hash of the names and values of tensors, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=8)
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {list(t.shape)}".encode())
        digest.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_uncompressed(path: Path) -> None:
    """torch.save does not compress: an archive that unpacks to more than its own size could fill the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            size, unpacked = path.stat().st_size, sum(entry.file_size for entry in file.infolist())
        if unpacked > size:
            raise ValueError(f"{path}: it has {size} bytes, and would unpack to {unpacked}.")


def _is_plain(t: Tensor) -> bool:
    if t.layout != torch.strided or t.is_quantized or t.is_nested or t.device.type != "cpu":
        return False
    return t.numel() * t.element_size() <= t.untyped_storage().nbytes()


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    return str(error).strip().split("\n")[0] or type(error).__name__


@contextmanager
def explaining_mismatch(path: Path, name: str) -> Iterator[None]:
    """Loads the weights in `path` into the network `name` inside.

    Raises:
        ValueError: they are another network's.
    """
    try:
        yield
    except Exception as error:  # for a broken file, the libraries raise errors of many kinds
        if isinstance(error, ValueError) and str(error).startswith(f"{path}: "):
            raise
        lines = [f"{error} is missing."] if isinstance(error, KeyError) else str(error).splitlines()
        why = "\n".join(line if len(line) <= 160 else f"{line[:160]}..." for line in lines)  # not every name
        raise ValueError(f"{path}: these are not the weights of {name}. {why}") from error


def number_of_classes(model: nn.Module, state: Mapping[str, Tensor]) -> int | None:
    """The number of classes of a state dict that differs from `model`'s in nothing else; None if it does not differ."""
    own = model.state_dict()
    other = {
        t.shape[0]
        for name, t in state.items()
        if name in own and t.shape != own[name].shape and t.ndim and t.shape[1:] == own[name].shape[1:]
    }
    return other.pop() if len(other) == 1 else None


def local_file(weights: str | Path) -> Path | None:
    """The file that `weights` names, or None if it is the name of downloadable weights.

    Raises:
        FileNotFoundError: it looks like a file, and is not there.
    """
    path = Path(weights)
    if path.is_file():
        return path
    if isinstance(weights, Path) or path.suffix in SUFFIXES or path.parent != Path():
        return regular(path)
    return None
