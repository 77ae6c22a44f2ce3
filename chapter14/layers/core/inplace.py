"""In-place forms, as `x += y` and `relu_`: what is computed is put where x lies, and x goes on as that.

    x_out = y,  in the memory of x              L^x = 0            L^y = I

Where x is a view, a part of the memory of another tensor, it is that one, its base, that goes on changed:

    base_out = base, but y where x lies         L^base: I, without the rows of x        L^y: those rows

and x, and any other view, is read again from there. Where one of the two is complex and the other is its parts, both
are taken for real: the complex one by its pairs. Autograd's own rules hold: a leaf that asks for a gradient cannot be
written over, nor a view that is one of several, and whoever remembered x is told.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad

from ...layer.alias import alias
from ...layer.base import Layer, LinearMap, cast
from ...layer.modes import in_function_mode, mode_ignores_layers, transformed
from ...layer.node import Node, save
from ...layer.recorder import AT_WORK, recorder
from .arrange import permute
from .complex import view_as_complex, view_as_real
from .view import Part, Replaced, Strided

#: How a view lies in its base: which of the two, if any, is complex and taken by its pairs; the base's axes in the
#: order of its memory; then size, stride and offset there.
Lies = tuple[str | None, tuple[int, ...], tuple[Any, ...]]

#: What autograd puts in the place of a view's own node, once its base has been written into.
_STALE = "AsStridedBackward0"


class InPlace(Layer):
    @staticmethod
    def forward(base, y, lies):
        return y

    @staticmethod
    def remember(needs, inputs, x_out):
        return (inputs[2],)

    @staticmethod
    def backward(needs, g, lies):
        if lies is None:
            return None, g if needs[1] else None, None
        pairs, order, view = lies
        g = permute(view_as_real(g) if pairs == "base" else g, order)
        dbase = Replaced.of(g, g.new_zeros(()), Part, ("as_strided", view)) if needs[0] else None
        dy = Part.of(g, "as_strided", view) if needs[1] else None
        dbase = None if dbase is None else permute(dbase, [order.index(i) for i in range(len(order))])
        return (
            view_as_complex(dbase) if dbase is not None and pairs == "base" else dbase,
            view_as_complex(dy) if dy is not None and pairs == "view" else dy,
            None,
        )


class _WrittenOver(Node):
    """The one form of `InPlace` that writes."""

    layer = InPlace

    @staticmethod
    def forward(ctx, base, y, lies):
        ctx.mark_dirty(base)
        ctx.lies = lies
        _copy(_place(base, lies), y)
        return base

    @staticmethod
    def backward(ctx, g):
        return InPlace.backward(ctx.needs_input_grad, g, ctx.lies)

    @staticmethod
    def jvp(ctx, dbase, dy, lies):
        place = _place(dbase, ctx.lies)
        place.copy_(dy) if dy is not None else place.zero_()
        return dbase


class _Turned(Node):
    """x itself, its axes arranged otherwise: a linear map of x, in its own place."""

    layer = InPlace

    @staticmethod
    def forward(ctx, x, how, layer, arguments):
        ctx.mark_dirty(x)
        ctx.layer, ctx.kept, ctx.how = layer, (x.shape, *arguments), how
        return _turned(x, how, arguments)

    @staticmethod
    def backward(ctx, g):
        return ctx.layer.transpose(g, *ctx.kept), None, None, None

    @staticmethod
    def jvp(ctx, dx, how, layer, arguments):
        return _turned(dx, ctx.how, ctx.kept[1:])


def _place(base: Tensor, lies: Lies | None) -> Tensor:
    if lies is None:
        return base
    pairs, order, (size, stride, offset) = lies
    base = torch.view_as_real(base) if pairs == "base" else base
    place = base.permute(order).as_strided(size, stride, offset + base.storage_offset())
    return torch.view_as_complex(place) if pairs == "view" else place


def _copy(x: Tensor, y: Tensor) -> Tensor:
    """x.copy_(y); nothing where y is x itself, as in `x[k] += 1`, which writes x[k] back. Axes of 1 have no stride."""
    watched = torch.compiler.is_compiling() or transformed()
    return x if not watched and torch._C._is_alias_of(x, y) and _lie(x) == _lie(y) else x.copy_(y)  # type: ignore[attr-defined]


def _lie(x: Tensor) -> tuple:
    strides = [(n, step) for n, step in zip(x.shape, x.stride(), strict=True) if n != 1]
    return x.dtype, x.is_conj(), x.is_neg(), x.storage_offset(), strides


def _graph(*tensors: Tensor) -> bool:
    if torch.compiler.is_compiling() or transformed():
        return False  # Dynamo takes no Function with a jvp; and a copy has no derivative to speak of
    return forward_ad._current_level >= 0 or (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))


def in_place(x: Tensor, y: Tensor) -> Tensor:
    """y, put where x lies: [*x], in x's dtype. Returns x, and where that is a view, another view of the same.

    Raises:
        RuntimeError: y broadcasts to another shape than x's, or x is a leaf that asks for a gradient.
    """
    if y.shape != x.shape:
        raise RuntimeError(f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(y.shape)}")
    if read := alias(x):
        whole, layer, arguments, _ = read
        return layer.of(in_place(whole, Replaced.of(whole, y, layer, arguments)), *arguments)
    if AT_WORK and (listening := recorder()) is not None:
        return listening.put(x, _as_dtype(y, x))
    if not _graph(x, y):
        return _copy(x, y)
    y = _as_dtype(y, x)
    base = x._base
    if base is not None and _refused(x, y):
        return x.copy_(y)  # autograd says why
    if base is None or (x.requires_grad and x.is_leaf) or (lies := _lies(x, base)) is None:
        return _WrittenOver.apply(x, y, None)
    if x.requires_grad and not base.requires_grad:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    _WrittenOver.apply(base, y, lies)
    return anew(x)


def _as_dtype(y: Tensor, x: Tensor) -> Tensor:
    """y in x's dtype; of whole numbers, which have no gradient, the copy sees to it."""
    return cast(y, x.dtype) if y.is_floating_point() and (x.is_floating_point() or x.is_complex()) else y


def over(layer: Any, x: Tensor, *constants: Any) -> Tensor:
    """`layer.of(x, *constants)`, put where x lies, in one step: for a layer whose `remember` can do without x.

    Then x_out is remembered where it lies, and not beside it.
    """
    if in_function_mode() and mode_ignores_layers((x,)):
        with torch._C.DisableTorchFunction():
            return over(layer, x, *constants)
    if AT_WORK and recorder() is not None:
        return in_place(x, layer.of(x, *constants))
    if _graph(x) and forward_ad._current_level < 0 and x._base is None and x.grad_fn is not None:
        return _that_writes(layer)(x, *constants)
    return in_place(x, layer.of(x, *constants))


@functools.cache
def _that_writes(layer: Any) -> Callable[..., Tensor]:
    def forward(ctx, x, *constants):
        ctx.mark_dirty(x)
        x_out = layer.write(x, *constants)
        save(ctx, layer.remember(ctx.needs_input_grad, (x, *constants), x_out))
        return x_out

    form = type(layer.__name__, (layer.eager,), {"forward": staticmethod(forward), "__module__": layer.__module__})
    return super(Function, form).apply  # type: ignore[misc]


def _refused(x: Tensor, y: Tensor) -> bool:
    """As one of several views made at once: PyTorch 2.7 takes it for its own mistake where a Function writes there."""
    return torch.is_grad_enabled() and (x.requires_grad or y.requires_grad) and not _made_alone(x)


def _made_alone(x: Tensor) -> bool:
    return torch._C._autograd._get_creation_meta(x) == torch._C._autograd.CreationMeta.DEFAULT


def turn_in_place(x: Tensor, how: str, layer: type[LinearMap], *arguments: Any) -> Tensor:
    """x with other axes, itself, as `x.unsqueeze_(dim)`; `layer` is the plain form, and None an argument not given."""
    if AT_WORK and (listening := recorder()) is not None:
        return listening.put(x, layer.of(x, *arguments))
    if _graph(x) and x._base is None:
        return _Turned.apply(x, how, layer, arguments)
    return _turned(x, how, arguments)


def _turned(x: Tensor, how: str, arguments: Sequence[Any]) -> Tensor:
    return getattr(x, how)(*(a for a in arguments if a is not None))


def anew(x: Tensor) -> Tensor:
    """x; and if it is a view of what has been written into since, that, read anew from its base."""
    if torch.compiler.is_compiling() or (AT_WORK and recorder() is not None):  # who records knows what x is now
        return x
    if transformed():
        if (read := alias(x)) is None:
            return x
        whole, layer, arguments, version = read
        current = anew(whole)
        return x if current is whole and whole._version == version else layer.of(current, *arguments)
    base = x._base
    if base is None or type(x.grad_fn).__name__ != _STALE or (lies := _lies(x, base)) is None:
        return x
    pairs, order, (size, stride, offset) = lies
    base = permute(view_as_real(base) if pairs == "base" else base, order)
    if 0 in stride:  # entries that share memory: what comes back to them adds up
        return Strided.of(base, size, stride, offset + base.storage_offset())
    part = Part.of(base, "as_strided", (size, stride, offset))
    return view_as_complex(part) if pairs == "view" else part


def _lies(x: Tensor, base: Tensor) -> Lies | None:
    """None where there is no saying: a view of other numbers, of a base with gaps, or one of several."""
    if not _made_alone(x):
        return None
    pairs = None
    if base.dtype != x.dtype:
        if base.is_complex() == x.is_complex():
            return None
        pairs = "base" if base.is_complex() else "view"
        base, x = (torch.view_as_real(t.detach()) if t.is_complex() else t for t in (base, x))
    order = tuple(sorted(range(base.ndim), key=base.stride, reverse=True))
    if not base.permute(order).is_contiguous():
        return None
    return pairs, order, (tuple(x.shape), x.stride(), x.storage_offset() - base.storage_offset())
