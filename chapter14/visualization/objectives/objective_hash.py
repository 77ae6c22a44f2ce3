"""A hash of an objective: a checkpoint resumes only with the objective that wrote it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Set
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from torch import Tensor, nn

from ...models.state_dict import fingerprint


def identity(x: Any) -> str:
    """A 32-bit hash, in hexadecimal, of an objective or a function: of its code, and of the values it refers to."""
    digest = hashlib.blake2b(digest_size=4)
    for part in _parts(x, set()):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _parts(x: Any, seen: set[int]) -> Iterator[str]:
    if x is None or isinstance(x, str | bytes | int | float | complex):
        yield repr(x)
        return
    yield f"{type(x).__module__}.{type(x).__qualname__}"
    if id(x) in seen:  # a function may refer to itself
        return
    seen.add(id(x))
    for value in _contents(x):
        yield from _parts(value, seen)


def _contents(x: Any) -> Iterator[Any]:
    if isinstance(x, Tensor):
        yield fingerprint({"": x})
    elif isinstance(x, nn.Module):
        yield repr(x)
        yield fingerprint(x.state_dict())
    elif isinstance(x, FunctionType):
        yield f"{x.__module__}.{x.__qualname__}"
        if not x.__module__.startswith("chapter14."):  # the package's own are told apart by name
            yield x.__code__
        yield from (x.__defaults__, x.__kwdefaults__)
        yield from (_cell_contents(cell) for cell in x.__closure__ or ())
    elif isinstance(x, CodeType):
        yield from (x.co_code, x.co_names, x.co_consts)
    elif isinstance(x, MethodType):
        yield from (x.__func__, x.__self__)
    elif isinstance(x, functools.partial):
        yield from (x.func, x.args, x.keywords)
    elif isinstance(x, Mapping):
        for item in x.items():
            yield from item
    elif isinstance(x, Set):
        yield from sorted(x, key=repr)
    elif isinstance(x, list | tuple):
        yield from x
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        yield from (getattr(x, field.name) for field in dataclasses.fields(x))
    elif isinstance(x, type):
        yield f"{x.__module__}.{x.__qualname__}"
    else:
        yield getattr(x, "__dict__", None)


def _cell_contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None
