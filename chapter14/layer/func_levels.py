"""The levels of torch.func, and the older vmap: wrapping and unwrapping a layer's tensors.

torch.func wraps a tensor once for each active grad, jvp and vmap. The older vmap, that of `is_grads_batched`, wraps it
too, and is active inside autograd's nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch._C._functorch as functorch
from torch import Tensor
from torch.autograd import forward_ad


class Opaque:
    """A tuple, a list or a dict as one input: vmap would take each of its entries for an input."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


def opened(x: Any) -> Any:
    return x.value if type(x) is Opaque else x


def unwrapped(x: Tensor) -> Tensor:
    while functorch.is_functorch_wrapped_tensor(x):
        x = functorch.get_unwrapped(x)
    return x


def is_batched(x: Tensor) -> bool:
    """Whether x is batched by a vmap at any level."""
    while functorch.is_functorch_wrapped_tensor(x):
        if functorch.is_batchedtensor(x):
            return True
        x = functorch.get_unwrapped(x)
    return False


def unbatched(t: Tensor) -> Tensor:
    """t without the batch axes of torch.func's vmap at the outermost levels."""
    while functorch.is_batchedtensor(t):
        t = functorch.get_unwrapped(t)
    return t


def forward_mode() -> bool:
    stack = functorch.get_interpreter_stack() or []
    return forward_ad._current_level >= 0 or any(level.key() == functorch.TransformType.Jvp for level in stack)


def jvp_level() -> int | None:
    """The level of the innermost jvp, if nothing but vmap is inside it."""
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


def in_func_vmap(backward: Callable[..., Any], gs: Sequence[Tensor]) -> tuple:
    """Runs a backward pass in torch.func's vmap, where g_out is batched by the older one, of `is_grads_batched`.

    The older vmap is active inside autograd's nodes: what a layer computes there would have no graph.
    """
    level = legacy_level(gs)[0]
    batched = [functorch.is_legacy_batchedtensor(unbatched(g)) for g in gs]
    has_gradient: list[bool] = []

    def gradients(*gs: Tensor) -> list[Tensor]:
        g_in = backward(*gs)
        has_gradient[:] = [g is not None for g in g_in]
        return [g for g in g_in if g is not None]

    whole = [legacy_unbatched(g, level) if is_batched else g for g, is_batched in zip(gs, batched, strict=True)]
    g_in = iter(torch.func.vmap(gradients, tuple(0 if is_batched else None for is_batched in batched))(*whole))
    return tuple(_legacy_batched(next(g_in), 0, level) if has else None for has in has_gradient)


def legacy_level(gs: Sequence[Tensor]) -> tuple[int, int]:
    """The level of the older vmap, which is not an attribute of the tensor, and the size of its batch."""
    t = next(t for g in gs if functorch.is_legacy_batchedtensor(t := unbatched(g)))
    for level in range(1, 65):
        whole = legacy_unbatched(t, level)
        if not functorch.is_legacy_batchedtensor(whole):
            return level, len(whole)
    raise NotImplementedError("is_grads_batched inside is_grads_batched. torch.func.vmap can be nested.")


def legacy_unbatched(t: Tensor, level: int) -> Tensor:
    """t with the batch axis of the older vmap as its first axis."""
    if functorch.is_batchedtensor(t):
        inner = legacy_unbatched(functorch.get_unwrapped(t), level)
        return functorch._add_batch_dim(inner, functorch.maybe_get_bdim(t) + 1, functorch.maybe_get_level(t))
    return torch._remove_batch_dim(t, level, 1, 0)  # type: ignore[attr-defined]


def _legacy_batched(t: Tensor, axis: int, level: int) -> Tensor:
    """t with that axis as the batch axis of the older vmap."""
    if functorch.is_batchedtensor(t):
        outer = functorch.maybe_get_bdim(t)
        inner = _legacy_batched(functorch.get_unwrapped(t), axis + (outer <= axis), level)
        return functorch._add_batch_dim(inner, outer - (outer > axis), functorch.maybe_get_level(t))
    return torch._add_batch_dim(t, axis, level)  # type: ignore[attr-defined]
