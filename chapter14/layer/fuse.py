"""fuse(): the backward pass of a layer, compiled, so that its equation is one kernel.

    g_in = g_out L^x      (14.10), as the layer's `backward` states it

In plain operations, each term is a pass over memory. torch.compile makes one pass of them.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._C._autograd import _top_saved_tensors_default_hooks
from torch.autograd import Function, forward_ad

from .accepted_tensors import PLAIN
from .eager import eager_form
from .modes import compiling, in_function_mode, mode_ignores_layers, without_autocast
from .node import Node, named, save

if TYPE_CHECKING:
    from chapter14.layer.base import Layer

#: Entries of the largest tensor below which a call of compiled code, 50 µs, takes longer than it saves.
SMALL = 2**16


class _Switch(threading.local):
    on = False


#: Of each thread, whether the layers that it calls are fused.
SWITCH = _Switch()


class fuse(AbstractContextManager):
    """Compiles the backward pass of the layers called from here on, or, as a context manager, of those called inside.

    >>> with chapter14.fuse():
    ...     J = model(x).sum()
    >>> J.backward()

    Off by default. As `torch.set_grad_enabled`, it holds for the calling thread, until another call or the end of the
    `with` block. What counts is where a layer is called, not where its backward pass runs.

    It concerns layers whose backward pass is many passes over memory (`Layer.fusible`): norms, softmax, and activations
    such as gelu. Gradients are those without `fuse`, up to rounding. The first backward pass of each layer takes
    seconds, which compile it for all shapes; torch.compile keeps the code between processes, in the folder that
    TORCHINDUCTOR_CACHE_DIR names. Norms also save their means and deviations.

    A layer runs as without `fuse` where its tensors have fewer than 65536 entries, are complex or observed by a mode;
    where the gradient is differentiated again or batched; in forward mode, torch.func, torch.compile and `trace`; a
    norm, under saved-tensor hooks, as those of torch.utils.checkpoint; beyond
    `torch._dynamo.config.recompile_limit` combinations of dtype, number of axes, options and needed gradients; and,
    with a warning, where compiling fails, as without a C++ compiler.

    Args:
        mode: whether to fuse; False switches it off.
    """

    def __init__(self, mode: bool = True):
        self.mode, self.before = mode, SWITCH.on
        SWITCH.on = mode

    def __enter__(self) -> None:
        SWITCH.on = self.mode

    def __exit__(self, *error: Any) -> None:
        SWITCH.on = self.before


@functools.cache
def fused(layer: type[Layer]) -> Callable[..., Any]:
    """The eager form, as a function, with a compiled backward pass where the gradient is not differentiated again."""
    saves_more = layer.fused is not None
    plain, form = layer.eager, _saving(layer, layer.fused) if layer.fused else _compiled(layer)
    eager, compiled = super(Function, plain).apply, super(Function, form).apply  # type: ignore[misc]

    def of(*inputs: Any) -> Any:
        # A checkpoint is computed again in the backward pass, where it has to save the same, and `fuse` may be off.
        if forward_ad._current_level >= 0 or (saves_more and _top_saved_tensors_default_hooks(False)):
            return eager(*inputs)
        return compiled(*inputs) if _suits(inputs) else eager(*inputs)

    return of


def _compiled(layer: type[Layer]) -> type[Node]:
    return eager_form(layer, layer.vjp, _or_plain(layer.__name__, layer.vjp, layer.vjp_once or layer.vjp))


def _saving(layer: type[Layer], other: type[Layer]) -> type[Node]:
    """The form that also saves what `other`, the layer for torch.compile, remembers. Its further outputs have g = 0."""

    def vjp(needs: Sequence[bool], g: Tensor, n: int, outs: int, *saved: Any) -> tuple:
        return layer.vjp(needs, g, *saved[:n])

    def plain(needs: Sequence[bool], g: Tensor, n: int, outs: int, *saved: Any) -> tuple:
        return (layer.vjp_once or layer.vjp)(needs, g, *saved[:n])

    def of_other(needs: Sequence[bool], g: Tensor, n: int, outs: int, *saved: Any) -> tuple:
        gs = [torch.zeros_like(t) for t in saved[n : n + outs]]
        return other.vjp(needs, (g, *gs) if other.many else g, *saved[n + outs :])

    class Saving(eager_form(layer, vjp, _or_plain(layer.__name__, of_other, plain))):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            with without_autocast():
                made = other.forward(*inputs)
            x_out, *outs = made if other.many else (made,)
            needs = ctx.needs_input_grad
            remembered = layer.remember(needs, inputs, x_out)
            more = other.remember(needs, inputs, made)
            save(ctx, (len(remembered), len(outs), *remembered, *outs, *more))
            return x_out

    return named(Saving, layer)


def _or_plain(name: str, vjp: Callable[..., tuple], plain: Callable[..., tuple]) -> Callable[..., tuple]:
    """`vjp`, compiled; `plain` where that is not possible."""
    compiled: Callable[..., tuple] | None = None
    failed = False

    def rule(*args: Any) -> tuple:  # where Dynamo reaches its limit, it runs this as it is
        return vjp(*args) if compiling() else torch.compiler.disable(plain)(*args)

    rule.__code__ = rule.__code__.replace(co_name=name)  # the limit is one for each code object

    def once(needs: Sequence[bool], g: Tensor, *saved: Any) -> tuple:
        nonlocal compiled, failed
        if failed or not _suits((g, *saved)):
            return plain(needs, g, *saved)
        try:
            if compiled is None:
                compiled = torch.compile(rule, dynamic=True)
            # Detached, since Dynamo takes the shape of a parameter for static.
            args = [t.detach() if isinstance(t, Tensor) else t for t in (g, *saved)]
            with torch._C.DisableTorchFunction():
                return compiled(needs, *args)
        except Exception as error:
            g_in = plain(needs, g, *saved)  # raises what the compiler is not to blame for
            failed = True
            _warn(_cause(error))
            return g_in

    return once


def _suits(values: Sequence[Any]) -> bool:
    """Whether one of the tensors is large, and all are plain and real, and no mode observes them."""
    tensors = [x for x in values if isinstance(x, Tensor)]
    if max(t.numel() for t in tensors) < SMALL or torch._C._len_torch_dispatch_stack():
        return False
    if in_function_mode() and not mode_ignores_layers(values):
        return False
    return all(map(_is_plain, tensors))


def _is_plain(t: Tensor) -> bool:
    strided = t.layout is torch.strided and t.device.type != "meta"
    return type(t) in PLAIN and strided and not t.is_complex() and not t.is_neg()


@functools.cache  # a missing compiler is the same cause for all layers
def _warn(cause: str) -> None:
    warnings.warn(f"fuse: what cannot be compiled runs as without it. {cause}", stacklevel=3)


def _cause(error: BaseException) -> str:
    """The first line of what caused the error."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error).partition("\n")[0]
