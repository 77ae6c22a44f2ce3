"""A network of somebody's own: "FILE.py:FACTORY".

    def small():
        return Net()                                        # takes pictures [B, 3, H, W], entries from -1 to 1

    def trained():                                          # or the module, and what there is to say of it,
        return Net(), {"size": 64, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "labels": ["cat"]}

What may be said are the fields of `Pretrained`. To be audited, in place of them, the inputs.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from .pretrained import Pretrained
from .state_dict import fill, local, read

FIELDS = {field.name for field in dataclasses.fields(Pretrained)} - {"model", "name"}


def load(path: Path, factory: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a file; by default, or with "random", those that the factory gave it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no such function, or that fails, or makes no network.
    """
    model, said = made(path, factory)
    if not isinstance(said, dict) or not said.keys() <= FIELDS:
        raise ValueError(f"{path}: beside its module, {factory}() gives a dict of some of {', '.join(sorted(FIELDS))}.")
    if weights not in (None, "random"):
        file = local(str(weights))
        if file is None:
            raise FileNotFoundError(f"{weights}: there is no such file.")
        fill(model, read(file), file, f"{path}:{factory}")
    if not isinstance(size := said.get("size", 224), int) or size < 1:
        raise ValueError(f"{path}: the size that {factory}() gives is a number of pixels; it is {size!r}.")
    tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return Pretrained(model.eval(), **{"size": 224, "name": f"{path}:{factory}"} | tuples)


def made(path: Path, factory: str) -> tuple[nn.Module, Any]:
    """What the function `factory` of a Python file makes: a module, and {} or what comes with it.

    Raises:
        FileNotFoundError, ValueError: as `load`.
    """
    make = function(path, factory)
    try:
        it = make()
    except Exception as error:
        raise ValueError(f"{path}: {factory}() fails. {type(error).__name__}: {error}") from error
    model, said = it if isinstance(it, tuple) and len(it) == 2 else (it, {})
    if not isinstance(model, nn.Module):
        raise ValueError(f"{path}: {factory}() is a torch.nn.Module, or (module, inputs); it is {type(it).__name__}.")
    return model, said


def function(path: Path, name: str) -> Callable[..., Any]:
    """A function of a Python file.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it does not run, or has no such function.
    """
    it = getattr(imported(path), name, None)
    if not callable(it):
        raise ValueError(f"{path}: it has no function {name!r}.")
    return it


def imported(file: Path) -> ModuleType:
    """A Python file, run as a module."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: there is no such file.")
    spec = importlib.util.spec_from_file_location(f"its_{file.stem}", file)  # not as a package of its name
    if spec is None or spec.loader is None:
        raise ValueError(f"{file}: it is no Python file.")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where the Dynamo of PyTorch 2.7 asks
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{file}: it does not run. {type(error).__name__}: {error}") from error
    return module
