"""A layer's node in PyTorch's backward graph, and what it saves there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import _SingleLevelFunction

if TYPE_CHECKING:
    from chapter14.layer.base import Layer


class Node(Function):
    """One form of a layer, as an autograd function. `layer` is the `Layer` that it computes."""

    layer: ClassVar[type[Layer]]


def named(form: type[Node], layer: type[Layer]) -> type[Node]:
    """The form, and its nodes, with the name of the layer."""
    form.layer, form.__module__ = layer, layer.__module__
    call_nodes(form, layer.__name__)
    return form


def call_nodes(form: type[_SingleLevelFunction], name: str) -> None:
    """Gives a name to an autograd function and to its nodes."""
    form.__name__ = form.__qualname__ = name
    node: Any = form._backward_cls  # type: ignore[attr-defined]
    node.__name__ = node.__qualname__ = f"{name}Backward"


def layer_of(node: Any) -> type[Layer] | None:
    """The layer of a node in a backward graph; None where the node is PyTorch's."""
    return getattr(getattr(type(node), "_forward_cls", None), "layer", None)


def layer_names(node: Any) -> list[str]:
    """The layers of which a node of a backward graph is the derivative; none where it is PyTorch's."""
    form = getattr(type(node), "_forward_cls", None)
    layer = getattr(form, "layer", None)
    return getattr(form, "layers", []) if layer is None else [layer.__name__]


def save(ctx: Any, values: Sequence[Any]) -> None:
    """Saves tensors with autograd, which detects that one was overwritten, and the other values on `ctx`."""
    for value in values:
        if value is not None and not isinstance(value, Tensor):
            ctx.save_for_backward(*[v if isinstance(v, Tensor) else None for v in values])
            ctx.constants = [None if isinstance(v, Tensor) else v for v in values]
            return
    ctx.save_for_backward(*values)
    ctx.constants = None


def saved(ctx: Any) -> Sequence[Any]:
    """The values given to `save`."""
    if ctx.constants is None:
        return ctx.saved_tensors
    return [c if t is None else t for t, c in zip(ctx.saved_tensors, ctx.constants, strict=True)]


def save_reals(ctx: Any, inputs: Sequence[Any]) -> None:
    """Saves, for a complex x_out, which inputs are real and so have real gradients."""
    ctx.reals = [isinstance(x, Tensor) and not x.is_complex() for x in inputs]


def real_parts(layer: type[Layer], g_in: tuple, reals: Sequence[bool]) -> tuple:
    """The gradients, with the real part for a real input."""
    return tuple(
        layer.cast(g, g.real.dtype) if is_real and g is not None and g.is_complex() else g
        for g, is_real in zip(g_in, reals, strict=True)
    )


def mark_integers(ctx: Any, x_out: Any) -> None:
    """Integer outputs (the indices of a maximum) have no gradient."""
    if type(x_out) is tuple:
        ctx.mark_non_differentiable(*[t for t in x_out if not t.is_floating_point() and not t.is_complex()])
