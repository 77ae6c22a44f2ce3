"""TWINS: a function, method or operator of PyTorch's -> ours, with the same signature.

The functions of `chapter14.functional` stand for those of `torch.nn.functional` that bear their names. What else there
is of torch's, as `torch.add` and `Tensor.__getitem__`, has its twin in one of the files of calls/, and says there what
it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from .. import functional

TWINS: dict[Callable, Callable] = {}

#: Where a name is looked up: `torch.add`, `Tensor.add`, and what `torch.nn.functional` and `torch.special` call.
PLACES = (torch, Tensor, torch._C._nn, torch.nn.functional, torch._VF)


def stands_for(*names: str) -> Callable[[Callable], Callable]:
    """A decorator: the function is the twin of whatever bears one of these names, as "add", "__add__" or "linalg.norm";
    "torch.max" and "Tensor.max" are these alone. Where it returns NotImplemented, the call runs natively.

    Raises:
        AttributeError: torch has nothing of that name.
    """

    def register(f: Callable) -> Callable:
        for name in names:
            found = list(_of_name(name))
            if not found:
                raise AttributeError(f"stands_for: torch has no {name!r}.")
            TWINS.update(dict.fromkeys(found, f))
        return f

    return register


def _of_name(name: str) -> Iterator[Callable]:
    if "." in name:
        place: Any = torch
        for part in name.removeprefix("torch.").split("."):
            place = getattr(place, part, None)
        yield from [place] if place is not None else []
        return
    for place in PLACES:
        native = getattr(place, name, None)
        if native is not None:
            yield (
                native.__get__
                if type(native).__name__ == "getset_descriptor" or isinstance(native, property)
                else native
            )


def _of_functional() -> None:
    for name, ours in vars(functional).items():
        native = getattr(torch.nn.functional, name, None)
        if native is not None and not name.startswith("_"):
            TWINS.setdefault(native, ours)


_of_functional()
