"""The forward pass, backward pass and JVP of a piecewise linear network, as layers; `FrozenChain` computes them.

    x_out = A x_in + b           forward, which saves what A depends on: a few bits an entry
    g_in  = g A                  (14.10)
    dx_out = A dx                JVP

A depends on x only through relu and max pooling, so the backward pass is linear in g and its own backward pass is the
JVP, and vice versa. So derivatives of every order exist; the second derivative in x is zero.

vmap over g is one layer too: several g of one x are one tensor [K, *shape of g], for which A is read once.
"""

from __future__ import annotations

import math
from collections import UserList
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor, unwrap_if_dead

from ..layer.base import Layer
from ..layer.func_levels import legacy_level, legacy_unbatched
from ..layers.core.arrange import permute
from ..layers.core.branch import broadcast_to
from .layers import Unsupported

#: Several g of one x are processed this many images at a time, so that intermediate values stay in the CPU's cache.
IMAGES = 8


class RegisterShapes(UserList):
    """The shapes of all registers, filled in by a forward pass. Layers pass this object on, where they copy a list."""


class FrozenForward(Layer):
    """x_in → x_out, and what A depends on."""

    many = True

    @staticmethod
    def forward(chain, shapes, *x):
        return chain.run(x, shapes)

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, *_ = inputs
        return chain, shapes, *x_out[len(chain.outputs) :]

    @staticmethod
    def backward(needs, g, chain, shapes, *saved):
        return None, None, *FrozenBackward.call(chain, shapes, (), g[: len(chain.outputs)], saved)

    @staticmethod
    def jvp(tangents, chain, _, *x):
        shapes = RegisterShapes()
        saved = chain.run([t.detach() for t in x], shapes)[len(chain.outputs) :]
        return *FrozenJvp.call(chain, shapes, (), _or_zeros(tangents[2:], x), saved), *[None] * len(saved)

    @staticmethod
    def vmap(info, in_dims, *inputs):
        raise Unsupported  # a batch of x: the network runs unfrozen


class FrozenPass(Layer):
    """n tensors g [*lead, *shape], and what A depends on → the chain's pass of them, each [*lead, *shape of output]."""

    many = True
    method: ClassVar[str]  # of the chain
    transpose: ClassVar[type[FrozenPass]]

    @classmethod
    def forward(cls, chain, shapes, lead, n, *inputs):
        return _in_blocks(getattr(chain, cls.method), shapes, lead, inputs[:n], inputs[n:])

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, lead, n, *both = inputs
        return chain, shapes, lead, *both[n:]

    @classmethod
    def backward(cls, needs, G, chain, shapes, lead, *saved):
        return None, None, None, None, *cls.transpose.call(chain, shapes, lead, G, saved), *[None] * len(saved)

    @classmethod
    def jvp(cls, tangents, chain, shapes, lead, n, *inputs):
        return cls.call(chain, shapes, lead, _or_zeros(tangents[4:], inputs[:n]), inputs[n:])

    @classmethod
    def vmap(cls, info, in_dims, *inputs):
        chain, shapes, lead, n, *both = inputs
        if any(dim is not None for dim in in_dims[4 + n :]):
            raise NotImplementedError("freeze: vmap over saved tensors is not supported; vmap over x runs unfrozen.")
        g = [_batch_first(t, dim, info.batch_size) for t, dim in zip(both[:n], in_dims[4:], strict=False)]
        x_out = cls.of(chain, shapes, (info.batch_size, *lead), n, *g, *both[n:])
        return x_out, (0,) * len(x_out)

    @classmethod
    def call(
        cls, chain: Any, shapes: RegisterShapes, lead: Sequence[int], g: Sequence[Tensor], saved: Sequence[Tensor]
    ) -> Any:
        """The layer; the older vmap, of is_grads_batched, has no rules, so its axis is removed and restored here."""
        if not any(map(is_legacy_batchedtensor, g)):
            return cls.of(chain, shapes, lead, len(g), *g, *saved)
        level, size = legacy_level(g)
        g = [legacy_unbatched(t, level) if is_legacy_batchedtensor(t) else _batch_first(t, None, size) for t in g]
        x_out = cls.of(chain, shapes, (size, *lead), len(g), *g, *saved)
        return tuple(torch._add_batch_dim(t, 0, level) for t in x_out)  # type: ignore[attr-defined]


class FrozenBackward(FrozenPass):
    """g_out → g_in = g_out A."""

    method = "backward"


class FrozenJvp(FrozenPass):
    """dx_in → dx_out = A dx_in."""

    method = "jvp"
    transpose = FrozenBackward


FrozenBackward.transpose = FrozenJvp


def _in_blocks(
    f: Callable[..., Any], shapes: RegisterShapes, lead: Sequence[int], g: Sequence[Tensor], saved: Sequence[Tensor]
) -> Any:
    """f of g [*lead, ...], as many at a time as have IMAGES images."""
    saved, K = list(map(unwrap_if_dead, saved)), math.prod(lead)
    block = max(1, IMAGES // max(1, shapes[0][0])) if len(shapes[0]) == 4 else K
    if K <= block:
        return f(g, shapes, saved, tuple(lead))
    rows = [t.reshape(K, *t.shape[len(lead) :]) for t in g]
    blocks = [f([t[i : i + block] for t in rows], shapes, saved, (min(block, K - i),)) for i in range(0, K, block)]
    return tuple(torch.cat(each).view(*lead, *each[0].shape[1:]) for each in zip(*blocks, strict=True))


def _batch_first(t: Tensor, dim: int | None, size: int) -> Tensor:
    """t with its batch axis first, added where `dim` is None."""
    if dim is None:
        return broadcast_to(t[None], (size, *t.shape))
    return t if dim == 0 else permute(t, (dim, *(i for i in range(t.ndim) if i != dim)))


def _or_zeros(tangents: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(t) if d is None else d for d, t in zip(tangents, like, strict=False)]
