"""A network made by a function in the user's Python file: "FILE.py:FACTORY".

    def small():
        return Net()                                        # takes pictures [B, 3, H, W], entries from -1 to 1

    def trained():                                          # or the module, and options,
        return Net(), {"size": 64, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "labels": ["cat"]}

    net = Net()                                             # or the module itself

The options are fields of `Pretrained`; without `channels`, pictures have those of the first convolution. For
`chapter14 audit`, the second may be the inputs instead.
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

from .pretrained import Pretrained, input_channels
from .state_dict import explaining_mismatch, local_file, read_state_dict

FIELDS = {field.name for field in dataclasses.fields(Pretrained)} - {"model", "name"}


def load_from_file(path: Path, factory: str, weights: str | Path | None) -> Pretrained:
    """`weights`: a file; by default, or with "random", those that the factory set.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no such function, or that fails, or does not return a network.
    """
    model, options = call_factory(path, factory)
    name = f"{path}:{factory}"
    if not isinstance(options, dict) or not options.keys() <= FIELDS:
        raise ValueError(
            f"{path}: besides its module, {factory}() returns a dict with keys among {', '.join(sorted(FIELDS))}."
        )
    if weights not in (None, "random"):
        file = local_file(str(weights))
        if file is None:
            raise FileNotFoundError(f"{weights}: there is no such file.")
        with explaining_mismatch(file, name):
            model.load_state_dict(read_state_dict(file))
    if not isinstance(size := options.get("size", 224), int) or size < 1:
        raise ValueError(f"{path}: the size that {factory}() returns is a number of pixels; it is {size!r}.")
    tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    defaults = {"size": 224, "name": name, "channels": input_channels(model)}
    return Pretrained(model.eval(), **defaults | tuples)


def call_factory(path: Path, factory: str) -> tuple[nn.Module, Any]:
    """The module that `factory` in a Python file is, or that it returns, and {} or what it returns with it.

    Raises:
        FileNotFoundError, ValueError: as `load_from_file`.
    """
    make = function_in_file(path, factory)
    if isinstance(make, nn.Module):  # the file made it
        return make, {}
    try:
        made = make()
    except Exception as error:
        raise ValueError(f"{path}: {factory}() fails. {type(error).__name__}: {error}") from error
    model, more = made if isinstance(made, tuple) and len(made) == 2 else (made, {})
    if not isinstance(model, nn.Module):
        kind = type(made).__name__
        raise ValueError(f"{path}: {factory}() returns a torch.nn.Module, or (module, inputs); it returned {kind}.")
    return model, more


def function_in_file(path: Path, name: str) -> Callable[..., Any]:
    """A function of a Python file.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it does not run, or has no such function.
    """
    function = getattr(import_file(path), name, None)
    if not callable(function):
        raise ValueError(f"{path}: it has no function {name!r}.")
    return function


def import_file(file: Path) -> ModuleType:
    """A Python file, imported as a module."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: there is no such file.")
    spec = importlib.util.spec_from_file_location(f"its_{file.stem}", file)  # a name that hides no package
    if spec is None or spec.loader is None:
        raise ValueError(f"{file}: it is not a Python file.")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # pickle looks it up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ValueError(f"{file}: it does not run. {type(error).__name__}: {error}") from error
    return module
