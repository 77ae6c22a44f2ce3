"""TWINS: each function, method and operator of PyTorch that runs by hand, with ours of the same signature.

They come from three places: `chapter14.functional` has the names of `torch.nn.functional`; the tables in calls/ have
the other functions of torch and Tensor, such as `torch.add` and `Tensor.__getitem__`; and `add_` is made from `add`.
A twin that returns NotImplemented leaves the call native.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from .. import functional
from .calls import (
    arithmetic,
    arrange,
    cast,
    fourier,
    images,
    index,
    join,
    linalg,
    matmul,
    modules,
    pointwise,
    reduce,
    scan,
)
from .inplace import in_place_forms

#: Where a name is looked up. `torch.nn.functional` and `torch.special` call functions of `torch._C._nn` and `_VF`.
PLACES = (torch, Tensor, torch._C._nn, torch.nn.functional, torch._VF)


def natives(names: str) -> Iterator[Callable]:
    """The functions with these names: "add" anywhere in PLACES; "linalg.norm", "Tensor.max", "torch.max" in one place.

    Raises:
        AttributeError: torch has no such name. Names that some versions lack end in "?".
    """
    for name in names.split():
        found = list(_of_name(name.removesuffix("?")))
        if not found and not name.endswith("?"):
            raise AttributeError(f"natives: torch has no {name!r}.")
        yield from found


def _of_name(name: str) -> Iterator[Callable]:
    if "." in name:
        place: Any = torch
        for part in name.removeprefix("torch.").split("."):
            place = getattr(place, part, None)
        yield from [place] if place is not None else []
        return
    for place in PLACES:
        native: Any = getattr(place, name, None)
        if type(native).__name__ == "getset_descriptor" or isinstance(native, property):
            native = native.__get__
        yield from [native] if native is not None else []


TWINS: dict[Callable, Callable] = {
    native: ours
    for name, ours in vars(functional).items()
    if not name.startswith("_") and (native := getattr(torch.nn.functional, name, None)) is not None
}
#: Its distance is any function, whose calls go to the twins if this one is opened (by_hand.py).
del TWINS[torch.nn.functional.triplet_margin_with_distance_loss]
for table in (
    arithmetic, arrange, cast, fourier, images, index, join, linalg, matmul, modules, pointwise, reduce, scan,
):  # fmt: skip
    for names, twin in table.CALLS.items():
        TWINS.update(dict.fromkeys(natives(names), twin))
TWINS = in_place_forms(TWINS) | TWINS
