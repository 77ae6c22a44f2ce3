"""The in-place forms: `add_` and `+=` are `add`, written into the memory of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ..layer.recorder import AT_WORK, recorder
from ..layers.core.inplace import in_place

Hooks = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]

#: PyTorch 2.7 does not tell which hooks are set.
_top_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda ignore_is_tracing: None)


def top_hooks() -> Hooks | None:
    """The innermost `saved_tensors_hooks` that are set on this thread: (pack, unpack)."""
    return _top_hooks(False)


def _forms() -> Iterator[tuple[Callable, Callable]]:
    """Each in-place function of PyTorch, and the function that it is the in-place form of."""
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
            # Dynamo copies what is saved and then overwritten; a recorder saves nothing
            y = twin(x, *args, **kwargs)
        elif torch._C._are_functorch_transforms_active():  # which run no hooks
            y = twin(x.clone(), *args, **kwargs)
        else:
            with _kept_apart(x):
                y = twin(x, *args, **kwargs)
        if y is NotImplemented or y.shape != x.shape or y.is_complex() != x.is_complex():
            return NotImplemented  # torch refuses it
        return in_place(x, y)

    return f


def _kept_apart(x: Tensor) -> saved_tensors_hooks:
    """Hooks that save a copy of what shares x's memory, because x is about to be overwritten; hooks of the user get it.

    Other tensors are saved detached: a node that saves its own output would keep itself alive.
    """
    memory = x.untyped_storage().data_ptr()
    pack, unpack = top_hooks() or (None, lambda t: t)

    def keep(t: Tensor) -> Any:
        t = t.clone() if t.untyped_storage().data_ptr() == memory else t.detach()
        return t if pack is None else pack(t)

    return saved_tensors_hooks(keep, unpack)


def in_place_forms(twins: dict[Callable, Callable]) -> dict[Callable, Callable]:
    """The twins of the in-place forms of what has a twin."""
    forms: dict[Callable, Callable] = {}
    for form, plain in _forms():
        if plain in twins:
            forms.setdefault(form, _put_in_place(twins[plain]))
    return forms
