"""In-place forms, as `x += y` and `relu_`: the result y is written into the memory of x.

    x_out = y,  in the memory of x              L^x = 0            L^y = I

If x is a view of another tensor, its base, then the base is written into:

    base_out = base, but y at the entries of x      L^base: I, without the rows of x        L^y: those rows

and x, and every other view, is read again from it. If one of the two is complex and the other is its parts, the
complex one is viewed as real pairs. Autograd's own rules hold: a leaf that requires a gradient cannot be overwritten,
nor one of several views that one function returned, and a layer that saved x raises an error in the backward pass.
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

#: The layout of a view in its base: which of the two, if any, is complex and viewed as real pairs; the base's axes in
#: the order of its memory; then size, stride and offset there.
Layout = tuple[str | None, tuple[int, ...], tuple[Any, ...]]

#: The node that autograd gives to a view once its base has been written into.
_STALE = "AsStridedBackward0"


class InPlace(Layer):
    @staticmethod
    def forward(base, y, layout):
        return y

    @staticmethod
    def remember(needs, inputs, x_out):
        return (inputs[2],)

    @staticmethod
    def backward(needs, g, layout):
        if layout is None:
            return None, g if needs[1] else None, None
        pairs, order, view = layout
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
    """`InPlace`, which writes."""

    layer = InPlace

    @staticmethod
    def forward(ctx, base, y, layout):
        ctx.mark_dirty(base)
        ctx.layout = layout
        _copy(_place(base, layout), y)
        return base

    @staticmethod
    def backward(ctx, g):
        return InPlace.backward(ctx.needs_input_grad, g, ctx.layout)

    @staticmethod
    def jvp(ctx, dbase, dy, layout):
        place = _place(dbase, ctx.layout)
        place.copy_(dy) if dy is not None else place.zero_()
        return dbase


class _Turned(Node):
    """A change of x's own axes, as by `unsqueeze_`: a linear map."""

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


def _place(base: Tensor, layout: Layout | None) -> Tensor:
    if layout is None:
        return base
    pairs, order, (size, stride, offset) = layout
    base = torch.view_as_real(base) if pairs == "base" else base
    place = base.permute(order).as_strided(size, stride, offset + base.storage_offset())
    return torch.view_as_complex(place) if pairs == "view" else place


def _copy(x: Tensor, y: Tensor) -> Tensor:
    """x.copy_(y), or nothing if y is x itself, as in `x[k] += 1`, which assigns x[k] to itself."""
    watched = torch.compiler.is_compiling() or transformed()
    same = not watched and torch._C._is_alias_of(x, y) and _place_in_memory(x) == _place_in_memory(y)  # type: ignore[attr-defined]
    return x if same else x.copy_(y)


def _place_in_memory(x: Tensor) -> tuple:
    strides = [(n, step) for n, step in zip(x.shape, x.stride(), strict=True) if n != 1]  # of 1, it has no effect
    return x.dtype, x.is_conj(), x.is_neg(), x.storage_offset(), strides


def _graph(*tensors: Tensor) -> bool:
    if torch.compiler.is_compiling() or transformed():
        return False  # Dynamo refuses a Function with a jvp, and `copy_` itself suffices
    return forward_ad._current_level >= 0 or (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))


def in_place(x: Tensor, y: Tensor) -> Tensor:
    """Writes y [*x] into x, in x's dtype. Returns x or, if that is a view, another view of the same memory.

    Raises:
        RuntimeError: y broadcasts to another shape than x's, or x is a leaf that requires a gradient.
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
        return x.copy_(y)  # which raises autograd's error
    if base is None or (x.requires_grad and x.is_leaf) or (layout := _layout(x, base)) is None:
        return _WrittenOver.apply(x, y, None)
    if x.requires_grad and not base.requires_grad:
        raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    _WrittenOver.apply(base, y, layout)
    return current(x)


def _as_dtype(y: Tensor, x: Tensor) -> Tensor:
    """y in x's dtype, unless it has no gradient: then `copy_` casts."""
    return cast(y, x.dtype) if y.is_floating_point() and (x.is_floating_point() or x.is_complex()) else y


def over(layer: Any, x: Tensor, *constants: Any) -> Tensor:
    """`layer.of(x, *constants)`, written into x, in one step: for a layer whose `remember` does not need x.

    Then the saved x_out takes no further memory.
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
    """Whether autograd refuses to write into x: one of several views of a function, or a view made in no_grad mode."""
    return torch.is_grad_enabled() and (x.requires_grad or y.requires_grad) and not _made_alone(x)


def _made_alone(x: Tensor) -> bool:
    return torch._C._autograd._get_creation_meta(x) == torch._C._autograd.CreationMeta.DEFAULT


def turn_in_place(x: Tensor, how: str, layer: type[LinearMap], *arguments: Any) -> Tensor:
    """Changes x's own axes, as `x.unsqueeze_(dim)`. `layer` is the plain form; arguments of None are not passed."""
    if AT_WORK and (listening := recorder()) is not None:
        return listening.put(x, layer.of(x, *arguments))
    if _graph(x) and x._base is None:
        return _Turned.apply(x, how, layer, arguments)
    return _turned(x, how, arguments)


def _turned(x: Tensor, how: str, arguments: Sequence[Any]) -> Tensor:
    return getattr(x, how)(*(a for a in arguments if a is not None))


def current(x: Tensor) -> Tensor:
    """x or, if it is a view whose base has been written into, the view read again from its base."""
    if torch.compiler.is_compiling() or (AT_WORK and recorder() is not None):  # a recorder does this itself
        return x
    if transformed():
        if (read := alias(x)) is None:
            return x
        whole, layer, arguments, version = read
        now = current(whole)
        return x if now is whole and whole._version == version else layer.of(now, *arguments)
    base = x._base
    if base is None or type(x.grad_fn).__name__ != _STALE or (layout := _layout(x, base)) is None:
        return x
    pairs, order, (size, stride, offset) = layout
    base = permute(view_as_real(base) if pairs == "base" else base, order)
    if 0 in stride:  # entries that share memory: their gradients add up
        return Strided.of(base, size, stride, offset + base.storage_offset())
    part = Part.of(base, "as_strided", (size, stride, offset))
    return view_as_complex(part) if pairs == "view" else part


def _layout(x: Tensor, base: Tensor) -> Layout | None:
    """None for a view in another dtype, of a base with gaps in memory, or one of several views of one function."""
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
