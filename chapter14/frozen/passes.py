"""The ways through a network of straight lines with kinks, as layers: `chain` computes them.

    x_out = A x_in + b           forward, keeping what A depends on: a few bits an entry
    g_in  = g A                  (14.10), back through all steps
    dx_out = A dx                along them

A depends on x by its kinks alone, so the second is linear in g, and goes back by the third; the third goes back by
the second. So there are derivatives of every order, of that which has any: of a straight line, the second is zero.

Many g of one x are one [K, *shape of g]: A is read once for all of them. So vmap over g is one layer too.
"""

from __future__ import annotations

import math
from collections import UserList
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor, unwrap_if_dead

from ..layer.base import Layer
from ..layer.levels import legacy_level, legacy_unbatched
from ..layers.core.arrange import permute
from ..layers.core.branch import broadcast_to
from .layers import Unfit

SOME = 8  # images


class RegisterShapes(UserList):
    """Those of all registers, filled in by each forward pass: one object to a graph, where a list would be a copy."""


class FrozenForward(Layer):
    """x_in → x_out, and what A depends on."""

    many = True

    @staticmethod
    def forward(chain, shapes, *x):
        return chain.through(x, shapes)

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, *_ = inputs
        return chain, shapes, *x_out[len(chain.gives) :]

    @staticmethod
    def backward(needs, g, chain, shapes, *kept):
        return None, None, *_called(FrozenBackward, chain, shapes, (), g[: len(chain.gives)], kept)

    @staticmethod
    def jvp(tangents, chain, _, *x):
        shapes = RegisterShapes()
        kept = chain.through([t.detach() for t in x], shapes)[len(chain.gives) :]
        return *_called(FrozenJvp, chain, shapes, (), _there(tangents[2:], x), kept), *[None] * len(kept)

    @staticmethod
    def vmap(info, in_dims, *inputs):
        raise Unfit  # many x are a batch: as the network was written


class FrozenBackward(Layer):
    """n g_out [*lead, *shape of one], and what A depends on → g_in = g_out A, each [*lead, *shape of x_in]."""

    many = True

    @staticmethod
    def forward(chain, shapes, lead, n, *inputs):
        return _some_at_a_time(chain.back, shapes, lead, inputs[:n], inputs[n:])

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, lead, n, *both = inputs
        return chain, shapes, lead, n, *both[n:]

    @staticmethod
    def backward(needs, G, chain, shapes, lead, n, *kept):
        return None, None, None, None, *_called(FrozenJvp, chain, shapes, lead, G, kept), *[None] * len(kept)

    @staticmethod
    def jvp(tangents, chain, shapes, lead, n, *inputs):
        return _called(FrozenBackward, chain, shapes, lead, _there(tangents[4:], inputs[:n]), inputs[n:])

    @staticmethod
    def vmap(info, in_dims, *inputs):
        return _many(FrozenBackward, info.batch_size, in_dims, *inputs)


class FrozenJvp(Layer):
    """n dx_in [*lead, *shape of one], and what A depends on → dx_out = A dx_in, each [*lead, *shape of x_out]."""

    many = True

    @staticmethod
    def forward(chain, shapes, lead, n, *inputs):
        return _some_at_a_time(chain.along, shapes, lead, inputs[:n], inputs[n:])

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, lead, n, *both = inputs
        return chain, shapes, lead, n, *both[n:]

    @staticmethod
    def backward(needs, g, chain, shapes, lead, n, *kept):
        return None, None, None, None, *_called(FrozenBackward, chain, shapes, lead, g, kept), *[None] * len(kept)

    @staticmethod
    def jvp(tangents, chain, shapes, lead, n, *inputs):
        return _called(FrozenJvp, chain, shapes, lead, _there(tangents[4:], inputs[:n]), inputs[n:])

    @staticmethod
    def vmap(info, in_dims, *inputs):
        return _many(FrozenJvp, info.batch_size, in_dims, *inputs)


def _some_at_a_time(
    go: Callable[..., Any], shapes: RegisterShapes, lead: Sequence[int], g: Sequence[Tensor], kept: Sequence[Tensor]
) -> Any:
    """Of many g, as many as are SOME images: then what is on the way stays in the processor's cache."""
    kept, K = list(map(unwrap_if_dead, kept)), math.prod(lead)
    some = max(1, SOME // max(1, shapes[0][0])) if len(shapes[0]) == 4 else K
    if K <= some:
        return go(g, shapes, kept, tuple(lead))
    rows = [t.reshape(K, *t.shape[len(lead) :]) for t in g]
    parts = [go([t[i : i + some] for t in rows], shapes, kept, (min(some, K - i),)) for i in range(0, K, some)]
    return tuple(torch.cat(each).view(*lead, *each[0].shape[1:]) for each in zip(*parts, strict=True))


def _called(
    layer: type[Layer],
    chain: Any,
    shapes: RegisterShapes,
    lead: Sequence[int],
    g: Sequence[Tensor],
    kept: Sequence[Tensor],
) -> Any:
    """The layer. The older vmap, of is_grads_batched, has no rules: its axis is taken off here, and put on again."""
    if not any(map(is_legacy_batchedtensor, g)):
        return layer.of(chain, shapes, lead, len(g), *g, *kept)
    level, size = legacy_level(g)
    g = [legacy_unbatched(t, level) if is_legacy_batchedtensor(t) else _in_front(t, None, size) for t in g]
    x_out = layer.of(chain, shapes, (size, *lead), len(g), *g, *kept)
    return tuple(torch._add_batch_dim(t, 0, level) for t in x_out)  # type: ignore[attr-defined]


def _many(layer: type[Layer], size: int, dims: Sequence[int | None], *inputs: Any) -> tuple[Any, Any]:
    """What vmap over g is: the layer, of g with one more axis in front."""
    chain, shapes, lead, n, *both = inputs
    if any(dim is not None for dim in dims[4 + n :]):
        raise NotImplementedError("freeze: vmap over what a forward pass kept. vmap over x goes around the pass, too.")
    g = [_in_front(t, dim, size) for t, dim in zip(both[:n], dims[4:], strict=False)]
    x_out = layer.of(chain, shapes, (size, *lead), n, *g, *both[n:])
    return x_out, (0,) * len(x_out)


def _in_front(t: Tensor, dim: int | None, size: int) -> Tensor:
    """t with its batch axis first; where it has none, the same for each."""
    if dim is None:
        return broadcast_to(t[None], (size, *t.shape))
    return t if dim == 0 else permute(t, (dim, *(i for i in range(t.ndim) if i != dim)))


def _there(tangents: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(t) if d is None else d for d, t in zip(tangents, like, strict=False)]
