"""The twins of in-place forms, from those of the plain ones: `add_` and `+=` are `add`, put where its input lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ..layers.core.inplace import in_place
from ..recorder import AT_WORK, recorder
from . import calls as calls
from .table import TWINS

Hooks = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]

#: PyTorch 2.7 does not say which hooks are set.
_top_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda ignore_is_tracing: None)


def top_hooks() -> Hooks | None:
    """The innermost `saved_tensors_hooks` that are set on this thread: (pack, unpack)."""
    return _top_hooks(False)


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
        if torch.compiler.is_compiling() or (AT_WORK and recorder() is not None):
            # Dynamo copies what is saved and written over; a recorder saves nothing
            y = twin(x, *args, **kwargs)
        elif torch._C._are_functorch_transforms_active():  # where there are no hooks
            y = twin(x.clone(), *args, **kwargs)
        else:
            with _kept_apart(x):
                y = twin(x, *args, **kwargs)
        if y is NotImplemented or y.shape != x.shape or y.is_complex() != x.is_complex():
            return NotImplemented  # which torch refuses
        return in_place(x, y)

    return f


def _kept_apart(x: Tensor) -> saved_tensors_hooks:
    """What is remembered of x is copied, because x is about to be written over. Hooks that are set get the copy.

    The rest is handed on by another name: what a node keeps of its own x_out would keep the node itself alive.
    """
    memory = x.untyped_storage().data_ptr()
    pack, unpack = top_hooks() or (None, lambda t: t)

    def keep(t: Tensor) -> Any:
        t = t.clone() if t.untyped_storage().data_ptr() == memory else t.detach()
        return t if pack is None else pack(t)

    return saved_tensors_hooks(keep, unpack)


for form, plain in _forms():
    if plain in TWINS:
        TWINS.setdefault(form, _put_in_place(TWINS[plain]))
