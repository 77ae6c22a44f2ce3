"""Layers that are linear in their inputs. The derivative is the layer itself, so only its transpose is stated.

    LinearMap       x_out = A x           g_in = A^T g                  `transpose`, in layer/base.py
    SymmetricMap    A^T = A               g_in = A g
    IdentityMap     A = I                 g_in = g
    JointlyLinear   x_out = A a + B b     g_a = A^T g, g_b = B^T g
    WriteAt         x_out = x, with v written, or added, at some entries

`BilinearMap` (bilinear_map.py) is linear in either of two inputs while the other is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap


class SymmetricMap(LinearMap):
    """A linear map that is its own transpose."""

    @classmethod
    def transpose(cls, g: Tensor, shape: torch.Size, /, *constants: Any) -> Tensor:
        return cls.of(g, *constants)


class IdentityMap(LinearMap):
    """x_out has x_in's entries, plus a constant. x_out and its tangent have memory of their own."""

    @staticmethod
    def transpose(g: Tensor, shape: torch.Size, /, *constants: Any) -> Tensor:
        return g

    @staticmethod
    def jvp(tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        return Copy.of(tangents[0], torch.preserve_format)


class Copy(IdentityMap):
    title = "clone"

    @staticmethod
    def forward(x, memory_format):
        return x.clone(memory_format=memory_format)


class JointlyLinear(Layer):
    """Linear in several inputs together: x_out = A a + B b. Then the tangent of x_out is the layer, of theirs."""

    #: Which of the inputs these are.
    terms: ClassVar[slice] = slice(2)

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        moved = list(inputs)
        moved[cls.terms] = map(_or_zero, tangents[cls.terms], inputs[cls.terms])
        return cls.of(*moved)


def _or_zero(tangent: Tensor | None, x: Any) -> Any:
    if tangent is not None:
        return tangent
    return torch.zeros_like(x) if isinstance(x, Tensor) else 0


class WriteAt(JointlyLinear):
    """x_out is x, but v at some entries; or, with `adds`, v is added there. `read` is what g is at v's entries.

    L^x is I, without the entries written over; L^v is those entries of I.
    """

    adds: ClassVar[bool] = False
    #: Whether v may be a number. Then it has no gradient.
    takes_numbers: ClassVar[bool] = False

    @staticmethod
    def read(g: Tensor, shape: torch.Size, *where: Any) -> Tensor:
        raise NotImplementedError

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        _, v, *where = inputs
        if cls.adds and not needs[1]:
            where = [None for _ in where]
        return v.shape if isinstance(v, Tensor) else None, *where

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple:
        shape, *where = remembered
        if not needs[0] or cls.adds:
            dx = g if needs[0] else None
        else:
            dx = cls.of(g, 0 if cls.takes_numbers else g.new_zeros(()), *where)
        return dx, cls.read(g, shape, *where) if needs[1] else None, *(None for _ in where)
