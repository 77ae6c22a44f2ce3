"""x[key], and what is written there, as torch calls it.

A key of ints, slices, None and Ellipsis is a part of x, in x's memory. One with tensors in it goes two steps, as torch
itself goes: first that part of the key, with ":" where a tensor stands; then the tensors, each along its axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer import cast
from ...layers.index import indexed
from ...layers.inplace import in_place
from ...layers.view import part
from ..table import stands_for

for _name in ("index_select", "index_add", "gather", "scatter_add", "diagonal"):
    stands_for(_name)(getattr(F, _name))

_PLAIN = (int, slice, type(None), type(...))


def _is_plain(k: Any) -> bool:
    return isinstance(k, _PLAIN) and not isinstance(k, bool)


def _two_steps(x: Tensor, key: Any) -> tuple[tuple, list[Tensor | None]]:
    """The plain part of a key, and an index for each axis that is left."""
    if isinstance(key, list) and not any(isinstance(k, slice | list | tuple | Tensor | None) for k in key):
        key = (torch.tensor(key),)
    keys = list(key) if isinstance(key, tuple | list) else [key]
    keys = [k if _is_plain(k) else _as_index(k, x) for k in keys]
    spans = [1 if not isinstance(k, Tensor) else k.ndim if k.dtype in (torch.bool, torch.uint8) else 1 for k in keys]
    plain: list[Any] = []
    index: list[Tensor | None] = []
    used = sum(n for k, n in zip(keys, spans, strict=True) if k is not None and k is not ...)
    for k, n in zip(keys, spans, strict=True):
        if isinstance(k, Tensor):
            plain += [slice(None)] * n or [None]
            index.append(k if n else k.reshape(1))
        elif k is ...:
            plain.append(k)
            index += [None] * (x.ndim - used)
        else:
            plain.append(k)
            index += [] if isinstance(k, int) else [None]
    return tuple(plain), index


def _as_index(k: Any, x: Tensor) -> Any:
    if isinstance(k, Tensor) and k.ndim == 0 and k.dtype not in (torch.bool, torch.uint8):
        return int(k) if not torch._C._are_functorch_transforms_active() else k
    if hasattr(k, "__index__") and not isinstance(k, bool | Tensor):
        return k.__index__()
    return (k if isinstance(k, Tensor) else torch.as_tensor(k)).to(x.device)


@stands_for("__getitem__")
def get(x: Tensor, key: Any) -> Tensor:
    if _is_plain(key) or (type(key) is tuple and all(map(_is_plain, key))):
        return part(x, key)
    plain, index = _two_steps(x, key)
    if any(k != slice(None) for k in plain):
        x = part(x, plain)
    return indexed(x, index) if any(k is not None for k in index) else x
