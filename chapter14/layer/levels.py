"""The levels of torch.func, and the older vmap: what a tensor is within, and what a layer's inputs are to them.

torch.func wraps a tensor once for each grad, jvp and vmap that is at work. The older vmap, of is_grads_batched, wraps
it too, and is at work inside of autograd's nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch._C._functorch as functorch
from torch import Tensor
from torch.autograd import forward_ad


class Held:
    """A tuple, a list or a dict that vmap is to take for one input, and not for as many as it has entries."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


def let_go(x: Any) -> Any:
    return x.value if type(x) is Held else x


def unwrapped(x: Tensor) -> Tensor:
    while functorch.is_functorch_wrapped_tensor(x):
        x = functorch.get_unwrapped(x)
    return x


def is_batched(x: Tensor) -> bool:
    """Whether some vmap has many of x."""
    while functorch.is_functorch_wrapped_tensor(x):
        if functorch.is_batchedtensor(x):
            return True
        x = functorch.get_unwrapped(x)
    return False


def within(t: Tensor) -> Tensor:
    """What torch.func's vmap has as t."""
    while functorch.is_batchedtensor(t):
        t = functorch.get_unwrapped(t)
    return t


def forward_mode() -> bool:
    stack = functorch.get_interpreter_stack() or []
    return forward_ad._current_level >= 0 or any(level.key() == functorch.TransformType.Jvp for level in stack)


def jvp_level() -> int | None:
    """The level of the jvp that is at work: the innermost, batching aside."""
    for level in reversed(functorch.get_interpreter_stack() or []):
        if level.key() == functorch.TransformType.Jvp:
            return level.level()
        if level.key() != functorch.TransformType.Vmap:
            break
    return None


def primal(t: Any, level: int | None) -> Any:
    """`t` without its tangent at `level`; other levels keep theirs."""
    if not isinstance(t, Tensor) or level is None:
        return t
    if functorch.is_batchedtensor(t):
        inner = primal(functorch.get_unwrapped(t), level)
        return functorch._add_batch_dim(inner, functorch.maybe_get_bdim(t), functorch.maybe_get_level(t))
    if functorch.is_gradtrackingtensor(t) and functorch.maybe_get_level(t) == level:
        return functorch._wrap_for_grad(functorch._unwrap_for_grad(t, level), level)
    return t


# the older vmap


def in_func_vmap(go_back: Callable[..., Any], gs: Sequence[Tensor]) -> tuple:
    """g_out → g_in where g_out is batched by the older vmap, of is_grads_batched: the same in torch.func's.

    The older one is at work inside of autograd's nodes: what a layer computes there would be without a graph.
    """
    level = legacy_level(gs)[0]
    batched = [functorch.is_legacy_batchedtensor(within(g)) for g in gs]
    there: list[bool] = []

    def wanted(*gs: Tensor) -> list[Tensor]:
        g_in = go_back(*gs)
        there[:] = [g is not None for g in g_in]
        return [g for g in g_in if g is not None]

    whole = [legacy_unbatched(g, level) if its else g for g, its in zip(gs, batched, strict=True)]
    g_in = iter(torch.func.vmap(wanted, tuple(0 if its else None for its in batched))(*whole))
    return tuple(_legacy_batched(next(g_in), 0, level) if its else None for its in there)


def legacy_level(gs: Sequence[Tensor]) -> tuple[int, int]:
    """Of the older vmap that these are batched by: its level, which a tensor does not say, and how many there are."""
    t = next(t for g in gs if functorch.is_legacy_batchedtensor(t := within(g)))
    for level in range(1, 65):
        whole = legacy_unbatched(t, level)
        if not functorch.is_legacy_batchedtensor(whole):
            return level, len(whole)
    raise NotImplementedError("is_grads_batched inside is_grads_batched. torch.func.vmap can be nested.")


def legacy_unbatched(t: Tensor, level: int) -> Tensor:
    """With the axis of the older vmap in front."""
    if functorch.is_batchedtensor(t):
        inner = legacy_unbatched(functorch.get_unwrapped(t), level)
        return functorch._add_batch_dim(inner, functorch.maybe_get_bdim(t) + 1, functorch.maybe_get_level(t))
    return torch._remove_batch_dim(t, level, 1, 0)  # type: ignore[attr-defined]


def _legacy_batched(t: Tensor, axis: int, level: int) -> Tensor:
    """With that axis taken by the older vmap."""
    if functorch.is_batchedtensor(t):
        its = functorch.maybe_get_bdim(t)
        inner = _legacy_batched(functorch.get_unwrapped(t), axis + (its <= axis), level)
        return functorch._add_batch_dim(inner, its - (its > axis), functorch.maybe_get_level(t))
    return torch._add_batch_dim(t, axis, level)  # type: ignore[attr-defined]
