"""Layers that are linear in each of two inputs while the other is held, as products are.

x_out = f(a, b)        L^a = f(·, b)        L^b = f(a, ·)

g_a = (L^a)^T g        `transpose_a`, another layer, of g and b
g_b = (L^b)^T g        `transpose_b`, of g and a
dx_out = f(da, b) + f(a, db)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...layer.base import Layer
from .branch import add_n
from .complex import conj


class BilinearMap(Layer):
    """Inputs: a, b, then constants. Only the held input of a gradient that is needed is remembered.

    `transpose_a` is given b, and `transpose_b` a, as complex conjugates.
    """

    @staticmethod
    def transpose_a(g: Tensor, b: Tensor, shape: torch.Size, /, *constants: Any) -> Tensor:
        """g L^a, of a's `shape`."""
        raise NotImplementedError

    @staticmethod
    def transpose_b(g: Tensor, a: Tensor, shape: torch.Size, /, *constants: Any) -> Tensor:
        """g L^b, of b's `shape`."""
        raise NotImplementedError

    @staticmethod
    def remember(needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        a, b = inputs[:2]
        return a if needs[1] else None, b if needs[0] else None, a.shape, b.shape, *inputs[2:]

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        a, b, a_shape, b_shape, *constants = remembered
        return (
            cls.transpose_a(g, conj(b), a_shape, *constants) if needs[0] else None,
            cls.transpose_b(g, conj(a), b_shape, *constants) if needs[1] else None,
            *[None] * len(constants),
        )

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        (a, b, *constants), (da, db, *_) = inputs, tangents
        along = [] if da is None else [cls.of(da, b, *constants)]
        return add_n(*along, *([] if db is None else [cls.of(a, db, *constants)]))


class BiasedMap(BilinearMap):
    """x_out = f(x, W) + b: inputs x, W, b or None, then constants. b branches to every datapoint (section 14.7)."""

    @staticmethod
    def transpose_bias(g: Tensor) -> Tensor:
        """g L^b: summed over the datapoints."""
        raise NotImplementedError

    @staticmethod
    def remember(needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        x, W = inputs[:2]
        return x if needs[1] else None, W if needs[0] else None, x.shape, W.shape, *inputs[3:]

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        x, W, x_shape, W_shape, *constants = remembered
        return (
            cls.transpose_a(g, conj(W), x_shape, *constants) if needs[0] else None,
            cls.transpose_b(g, conj(x), W_shape, *constants) if needs[1] else None,
            cls.transpose_bias(g) if needs[2] else None,
            *[None] * len(constants),
        )

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        (x, W, _, *constants), (dx, dW, db, *_) = inputs, tangents
        if dx is None and dW is None:
            return cls.of(torch.zeros_like(x), torch.zeros_like(W), db, *constants)
        if dx is None:
            return cls.of(x, dW, db, *constants)
        along = cls.of(dx, W, db, *constants)
        return along if dW is None else add_n(along, cls.of(x, dW, None, *constants))
