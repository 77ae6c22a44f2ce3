"""An output in the memory of its input, as a view: what is written into one is seen in the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from .levels import unwrapped
from .modes import transformed

if TYPE_CHECKING:
    from chapter14.layer.base import Layer

_set_creation_meta, _DEFAULT = torch._C._autograd._set_creation_meta, torch._C._autograd.CreationMeta.DEFAULT


def writable(eager: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Lets autograd treat x_out as a view of its own: it knows what L is once the memory is written into."""

    def apply(*inputs: Any) -> Tensor:
        x_out = eager(*inputs)
        if x_out._is_view():
            _set_creation_meta(x_out, _DEFAULT)
        return x_out

    return apply


class Alias(NamedTuple):
    """What a tensor is read from inside torch.func, where autograd does not see it as a view."""

    base: Tensor
    layer: type[Layer]
    arguments: Sequence[Any]  # of the layer, after `base`
    version: int  # of `base`, when it was read


def noted(layer: type[Layer], inputs: Sequence[Any], x_out: Tensor) -> Tensor:
    """x_out, which keeps its `Alias`, where it is in the memory of the first input."""
    if torch._C._is_alias_of(unwrapped(x_out), unwrapped(inputs[0])):  # type: ignore[attr-defined]
        x_out.alias = Alias(inputs[0], layer, inputs[1:], inputs[0]._version)  # type: ignore[attr-defined]
    return x_out


def alias(x: Tensor) -> Alias | None:
    """What x is read from, inside torch.func; None where it has its own memory."""
    return getattr(x, "alias", None) if transformed() else None
