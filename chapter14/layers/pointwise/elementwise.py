"""Elementwise layers of several tensors: x_out = h(a, b, ...), entry by entry, of tensors that broadcast.

    L^a    = diag ∂h/∂a                                                     as in (14.30)
    g_in   = g_out L^a, summed over the entries that a was broadcast to     (14.33), (14.46)
    dx_out = L^a da + L^b db + ...                                          in forward mode

A layer declares its partial derivatives; the backward pass and forward mode follow from them. They are written with
layers, so they have derivatives of every order too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import added, keep, times
from ..core.bitmask import selected
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conj
from ..core.linear_maps import SymmetricMap

F = TypeVar("F", bound=Callable[..., Any])

#: A partial derivative, entry by entry: a tensor; a bool mask, for 1 and 0; a uint8 tensor, which counts halves; or the
#: number 1 or 0 for all entries.
Slope = Tensor | int
Partial = Callable[[], Slope]


class Halves(SymmetricMap):
    """x_out = x times 0, 1 or 2 halves; 0 where that is 0, whatever x is there."""

    @staticmethod
    def forward(x, halves):
        return selected(x * halves.to(x.dtype) * 0.5, halves.bool())


def slope_times(slope: Slope, x: Tensor) -> Tensor:
    """diag(slope) x. Where a mask is False the product is 0 even if x is infinite or NaN."""
    if not isinstance(slope, Tensor):
        return x if slope else torch.zeros_like(x)
    if slope.dtype == torch.bool:
        return keep(x, slope.expand(x.shape))
    return Halves.of(x, slope) if slope.dtype == torch.uint8 else times(x, slope)


def layer_of_kernel(h: Callable, base: type[Layer], **rules: Any) -> Any:
    """A subclass of `base` whose forward is `h`, a function of torch's, and which is named like it."""
    body = {name: staticmethod(rule) if callable(rule) else rule for name, rule in rules.items()}
    return type(_name(h).capitalize(), (base,), {"forward": staticmethod(h), "__module__": __name__, **body})


def as_torchs(h: Callable, f: F) -> F:
    """f with the name of `h`, a function of torch's that it stands for, and a docstring."""
    f.__name__ = f.__qualname__ = _name(h)
    f.__doc__ = f"{_name(h)}, entry by entry, as `torch.{h.__name__.replace('special_', 'special.')}`."
    return f


def _name(h: Callable) -> str:
    return h.__name__.removeprefix("special_")


class Elementwise(Layer):
    """A subclass has `forward`, which is h, and `partials`."""

    autocast = "widest"
    letters = {"a": "...", "b": "..."}
    opmath: ClassVar[str | None] = "derivatives"

    @staticmethod
    def partials(*kept: Any) -> Sequence[Partial | None]:
        """For each of the first inputs a function that computes ∂h/∂input; None for one that has no gradient."""
        raise NotImplementedError

    @staticmethod
    def kept(needs: Sequence[bool], *inputs: Any) -> tuple:
        """What `partials` takes: the inputs, or as much of them as the derivatives in `needs` take."""
        return inputs

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        shapes = tuple(x.shape if isinstance(x, Tensor) else None for x in inputs)
        broadcast = any(shape is not None and shape != x_out.shape for shape in shapes)
        return shapes if broadcast else None, *cls.kept(needs, *inputs)

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        shapes, *kept = remembered
        return gradients(cls.partials(*kept), needs, g, shapes)

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        partials = cls.partials(*cls.kept([t is not None for t in tangents], *inputs))
        shape = torch.broadcast_shapes(*(x.shape for x in inputs if isinstance(x, Tensor)))
        return differential(partials, [None if t is None else broadcast_to(t, shape) for t in tangents])


def gradients(
    partials: Sequence[Partial | None], needs: Sequence[bool], g: Tensor, shapes: Sequence[Any] | None = None
) -> tuple[Tensor | None, ...]:
    """g L^a, g L^b, ..., summed down to the inputs' shapes where they broadcast; None where it is not needed."""

    def g_in(i: int, partial: Partial | None) -> Tensor | None:
        if partial is None or not needs[i]:
            return None
        slope = partial()
        product = slope_times(conj(slope) if isinstance(slope, Tensor) else slope, g)
        return sum_to_size(product, shapes[i]) if shapes else product

    gs = [g_in(i, partial) for i, partial in enumerate(partials)]
    return *gs, *(None for _ in needs[len(gs) :])


def differential(partials: Sequence[Partial | None], tangents: Sequence[Tensor | None]) -> Any:
    """L^a da + L^b db + ..., of the tangents that there are; None if there are none."""
    pairs = zip(partials, tangents, strict=False)
    terms = [slope_times(p(), t) for p, t in pairs if p is not None and t is not None]
    return added(*terms) if terms else None
