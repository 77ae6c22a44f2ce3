"""The twins of in-place forms, from those of the plain ones: `add_` and `+=` are `add`, put where its input lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ..layers.inplace import copied, in_place
from . import calls as calls
from .table import TWINS


def _forms() -> Iterator[tuple[Callable, Callable]]:
    """Each in-place form of PyTorch's, with its plain one."""
    for place in (Tensor, torch, torch.nn.functional, torch._C._nn):
        for name in dir(place):
            if name.startswith("__i") and name.endswith("__"):
                plain = f"__{name[3:]}"
            elif name.endswith("_") and not name.endswith("__"):
                plain = name[:-1]
            else:
                continue
            for where in (place, Tensor, torch):
                if hasattr(where, plain):
                    yield getattr(place, name), getattr(where, plain)
                    break


def _put_in_place(twin: Callable) -> Callable:
    def f(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return in_place(x, twin(copied(x), *args, **kwargs))

    return f


for form, plain in _forms():
    if plain in TWINS:
        TWINS.setdefault(form, _put_in_place(TWINS[plain]))
