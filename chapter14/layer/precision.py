"""Autocast, and float16 and bfloat16 computed in float32.

The saved tensors stay in low precision. They and g are cast up by a layer when L is computed, so that the cast has
derivatives too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from chapter14.layer.base import Layer

_LOW = frozenset((torch.float16, torch.bfloat16))


def as_autocast(policy: str, inputs: tuple, cast: Callable[[Tensor, torch.dtype], Tensor]) -> tuple:
    """The inputs in autocast's dtype, cast by a layer, so that g has the dtype of the input itself.

    Args:
        policy: a layer's `autocast`. cast: `Layer.cast`.
    """
    floats = [t for t in inputs if isinstance(t, Tensor) and t.is_floating_point() and t.dtype != torch.float64]
    if not floats or not torch.is_autocast_enabled(floats[0].device.type):
        return inputs
    if policy == "lower":
        dtype = torch.get_autocast_dtype(floats[0].device.type)
    elif policy == "float32":
        dtype = torch.float32
    else:
        dtype = functools.reduce(torch.promote_types, [t.dtype for t in floats])
    chosen = {id(t) for t in floats}
    return tuple(cast(t, dtype) if id(t) in chosen else t for t in inputs)


def is_low(inputs: Sequence[Any]) -> bool:
    """Whether the first floating-point tensor is float16 or bfloat16; it decides for the others."""
    for x in inputs:
        if isinstance(x, Tensor) and x.is_floating_point():
            return x.dtype in _LOW
    return False


def in_float32(layer: type[Layer], inputs: Sequence[Any]) -> tuple:
    return tuple(
        in_float32(layer, x) if type(x) is tuple
        else layer.cast(x, torch.float32) if isinstance(x, Tensor) and x.dtype in _LOW
        else x
        for x in inputs
    )  # fmt: skip


def rounded(layer: type[Layer], x_out: Any, inputs: Sequence[Any]) -> Any:
    """x_out, or its tangent, in the dtype that x_out has for these inputs."""
    dtype = _dtype_out(layer, inputs)
    return tuple(layer.cast(t, dtype) for t in x_out) if layer.many else layer.cast(x_out, dtype)


def _dtype_out(layer: type[Layer], inputs: Sequence[Any]) -> torch.dtype:
    dtypes = [x.dtype for x in inputs if isinstance(x, Tensor) and x.is_floating_point()]
    return functools.reduce(torch.promote_types, dtypes) if layer.autocast == "widest" else dtypes[0]


def in_dtype_of(layer: type[Layer], inputs: Sequence[Any]) -> type[Layer]:
    """The layer for inputs of this dtype, for code that calls `forward`, `remember` and `backward` without autograd."""
    return low_precision(layer) if layer.opmath and is_low(inputs) else layer


def low_precision(layer: type[Layer]) -> type[Layer]:
    """The layer for float16 and bfloat16, made at the first call."""
    if "low" not in vars(layer):
        body: dict[str, Any] = {"float32": layer, "opmath": None, "fused": None, "__module__": layer.__module__}
        body |= {} if layer.opmath == "all" else {"forward": staticmethod(layer.forward)}
        body |= {name: None for name in ("backward_once", "L") if getattr(layer, name) is None}
        layer.low = type(layer.__name__, (LowPrecision, layer), body)
    return layer.low


class LowPrecision:
    """Computes a layer, `float32`, in float32, and rounds each gradient once, to the dtype of its input."""

    float32: ClassVar[Any]

    @classmethod
    def forward(cls, *inputs: Any) -> Any:
        x_out = cls.float32.forward(*[x.float() if isinstance(x, Tensor) and x.dtype in _LOW else x for x in inputs])
        dtype = _dtype_out(cls.float32, inputs)
        return tuple(t.to(dtype) for t in x_out) if cls.float32.many else x_out.to(dtype)

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        dtypes = tuple(x.dtype if isinstance(x, Tensor) else None for x in inputs)
        return dtypes, *cls.float32.remember(needs, inputs, x_out)

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple:
        return cls._rounded(cls.float32.backward, needs, g, *remembered)

    @classmethod
    def backward_once(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple:
        return cls._rounded(cls.float32.backward_once, needs, g, *remembered)

    @classmethod
    def _rounded(cls, backward: Callable[..., tuple], needs: Sequence[bool], g: Any, dtypes: Any, *saved: Any) -> tuple:
        g_in = backward(needs, *in_float32(cls.float32, (g, *saved)))
        return tuple(g if g is None else cls.float32.cast(g, dtype) for g, dtype in zip(g_in, dtypes, strict=True))

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        dx_in, *inputs_32 = in_float32(cls.float32, (tuple(tangents), *inputs))
        return rounded(cls.float32, cls.float32.jvp(dx_in, *inputs_32), inputs)

    @classmethod
    def L(cls, dtypes: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        return cls.float32.L(*in_float32(cls.float32, remembered))
