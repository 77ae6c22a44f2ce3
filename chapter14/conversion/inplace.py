"""In-place forms: `add_` and `+=` are `add`, written into the memory of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ..layer.recorder import AT_WORK, recorder
from ..layers.core.inplace import in_place

Hooks = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]


def top_hooks() -> Hooks | None:
    """The innermost `saved_tensors_hooks` that are set on this thread: (pack, unpack)."""
    return torch._C._autograd._top_saved_tensors_default_hooks(False)


def _forms() -> Iterator[tuple[Callable, Callable]]:
    """Each in-place function of PyTorch, and its out-of-place counterpart."""
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
            # Dynamo copies saved tensors that are overwritten; a recorder saves nothing
            y = twin(x, *args, **kwargs)
        elif torch._C._are_functorch_transforms_active():  # which do not run hooks
            y = twin(x.clone(), *args, **kwargs)
        else:
            with _saving_copies(x):
                y = twin(x, *args, **kwargs)
        if y is NotImplemented or y.shape != x.shape or y.is_complex() != x.is_complex():
            return NotImplemented  # torch refuses it
        return in_place(x, y)

    return f


def _saving_copies(x: Tensor) -> saved_tensors_hooks:
    """Hooks that save copies of tensors that share x's memory, because x is about to be overwritten.

    Hooks of the user receive those copies. Other tensors are saved detached, since a node that saves its own output
    would keep itself alive.
    """
    memory = x.untyped_storage().data_ptr()
    pack, unpack = top_hooks() or (None, lambda t: t)

    def save(t: Tensor) -> Any:
        t = t.clone() if t.untyped_storage().data_ptr() == memory else t.detach()
        return t if pack is None else pack(t)

    return saved_tensors_hooks(save, unpack)


def in_place_forms(twins: dict[Callable, Callable]) -> dict[Callable, Callable]:
    """The twins of in-place functions whose counterparts have twins."""
    forms: dict[Callable, Callable] = {}
    for form, plain in _forms():
        if plain in twins:
            forms.setdefault(form, _put_in_place(twins[plain]))
    return forms
