"""x[key], and what is written there, as torch calls it.

A key of ints, slices, None and Ellipsis is a part of x, in x's memory. One with tensors in it goes two steps, as torch
itself goes: first that part of the key, with ":" where a tensor stands; then the tensors, each along its axis.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layer import cast
from ...layers.core.index import indexed
from ...layers.core.inplace import in_place
from ...layers.core.view import part
from ..table import stands_for

_transformed = torch._C._are_functorch_transforms_active
_MASKS = (torch.bool, torch.uint8)
_PLAIN = (int, slice, type(None), type(...))


def _is_plain(k: Any) -> bool:
    return isinstance(k, _PLAIN) and not isinstance(k, bool)


def _first_step(x: Tensor, key: Any) -> tuple[Tensor, list[Tensor | None]]:
    """x at the plain part of a key, and an index for each axis that is left, or fewer."""
    if isinstance(key, list) and not any(isinstance(k, (slice, list, tuple, Tensor, type(None))) for k in key):
        key = (torch.tensor(key),)
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    keys = [k if _is_plain(k) else _as_index(k, x) for k in keys]
    spans = [k.ndim if isinstance(k, Tensor) and k.dtype in _MASKS else 1 for k in keys]
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
    return part(x, tuple(plain)) if any(k != slice(None) for k in plain) else x, index


def _as_index(k: Any, x: Tensor) -> Any:
    """A tensor for a list, an array, a truth value; a number for whatever is one."""
    if not isinstance(k, (bool, Tensor, list, tuple)) and getattr(k, "ndim", 0) == 0:
        return operator.index(k)
    if isinstance(k, Tensor) and k.ndim == 0 and k.dtype not in _MASKS and not _transformed():
        return int(k)
    return (k if isinstance(k, Tensor) else torch.as_tensor(k)).to(x.device)


def _tensors(index: list[Tensor | None]) -> bool:
    return any(k is not None for k in index)


@stands_for("__getitem__")
def get(x: Tensor, key: Any) -> Tensor:
    if _is_plain(key) or (type(key) is tuple and all(map(_is_plain, key))):
        return part(x, key)
    x, index = _first_step(x, key)
    return indexed(x, index) if _tensors(index) else x


@stands_for("__setitem__")
def put(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value. Axes of 1 in front of the value may be too many."""
    if key is False:  # at which there is nothing
        return
    if torch.compiler.is_compiling():  # Dynamo takes no view of ours to write into; and a copy moves, no more
        return x.__setitem__(key, value)
    value = value if isinstance(value, Tensor) else x.new_full((), value)
    value = _without_ones(
        cast(value, x.dtype) if value.is_floating_point() or value.is_complex() else value.to(x.dtype)
    )
    if _is_plain(key) or (type(key) is tuple and all(map(_is_plain, key))):
        x, index = part(x, key), list[Tensor | None]()
    else:
        x, index = _first_step(x, key)
    if not _tensors(index):
        in_place(x, F.broadcast_to(value, x.shape))
    elif value.ndim == 0 and (mask := index[0]) is not None and mask.dtype == torch.bool and not _tensors(index[1:]):
        in_place(x, F.masked_fill(x, mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), value))
    else:
        in_place(x, F.index_put(x, index, value))


def _without_ones(value: Tensor) -> Tensor:
    shape = value.shape
    while shape and shape[0] == 1:
        shape = shape[1:]
    return value if len(shape) == value.ndim else F.reshape(value, shape)
