"""An output that is a view of its input: a write into one changes the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .func_levels import unwrapped
from .modes import transformed

if TYPE_CHECKING:
    from chapter14.layer.base import Layer

_set_creation_meta, _DEFAULT = torch._C._autograd._set_creation_meta, torch._C._autograd.CreationMeta.DEFAULT


def writable(eager: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Lets autograd treat x_out as one of its own views, whose gradient it can update after a write into the memory."""

    def apply(*inputs: Any) -> Tensor:
        x_out = eager(*inputs)
        if x_out._is_view():
            _set_creation_meta(x_out, _DEFAULT)
        return x_out

    return apply


class Alias(NamedTuple):
    """The base of a view inside torch.func, where autograd does not see a view."""

    base: Tensor
    layer: type[Layer]
    arguments: Sequence[Any]  # of the layer, after `base`
    version: int  # of `base`, when it was read


def noted(layer: type[Layer], inputs: Sequence[Any], x_out: Tensor) -> Tensor:
    """x_out, with its `Alias` as an attribute if it shares the memory of the first input."""
    if torch._C._is_alias_of(unwrapped(x_out), unwrapped(inputs[0])):  # type: ignore[attr-defined]
        x_out.alias = Alias(inputs[0], layer, inputs[1:], inputs[0]._version)  # type: ignore[attr-defined]
    return x_out


def alias(x: Tensor) -> Alias | None:
    """The `Alias` of x inside torch.func; None if x is not a view."""
    return getattr(x, "alias", None) if transformed() else None
