"""Collects layer activations with hooks, and restores the model afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ...conversion.freezing.freeze import freeze
from ...models.pretrained import Pretrained, did_you_mean, first_layer
from .axes import by_picture, tokens_first

OUTPUT = "output"  # as a layer's name: the network's output
PICTURE = "picture"  # as a layer's name: x as it is drawn, before the transforms

Position = tuple[int | None, int | None]  # row and column; None is the middle

#: What a network raises if it cannot take pictures of a size.
MODEL_ERRORS = (RuntimeError, ValueError, AssertionError, LookupError, AttributeError, TypeError)


class AllLayersSeen(Exception):
    """Ends a forward pass: every layer that is needed has been computed."""


#: Collecting activations changes a model for a while: one thread at a time.
_LOCKS: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()


@contextmanager
def frozen_parameters(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients of the parameters; other threads wait. Restores both."""
    with _LOCKS.setdefault(model, RLock()):
        trained = [p for p in model.parameters() if p.requires_grad]
        training = [module for module in model.modules() if module.training]
        try:
            for p in trained:
                p.requires_grad_(False)
            model.eval()
            yield
        finally:
            for p in trained:
                p.requires_grad_(True)
            for module in training:
                module.training = True


@contextmanager
def activation_hooks(
    network: Pretrained, layers: frozenset[str], stop: bool = True
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """x → x_l [B, ...] of these layers, by hooks; the first call, if a layer is called several times.

    With `stop`, the forward pass ends at the last of them.

    Raises:
        ValueError: the network has no such layer, does not call it for a picture, or cannot take pictures of this size.
    """
    modules = dict(network.model.named_modules(remove_duplicate=False))
    inner = layers - {OUTPUT, PICTURE}
    if unknown := sorted(inner - modules.keys()):
        known = [name for name in modules if name]
        raise ValueError(
            f"{', '.join(unknown)}: the network has no such layer.{did_you_mean(unknown[0], known)} "
            f"`chapter14 visualize --list MODEL` has all {len(known)}; and there are {OUTPUT} and {PICTURE}."
        )
    turned, one_input = tokens_first(network.model), network.one_input  # here, as Dynamo reads no cached property
    x_l: dict[str, Any] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, x_out: Any) -> None:
            if name in x_l:
                return
            x_l[name] = x_out
            if stop and x_l.keys() >= layers - {PICTURE}:
                raise AllLayersSeen
            if isinstance(x_out, Tensor):  # a later layer may write into it
                x_l[name] = x_out.clone()

        return hook

    def collect(x: Tensor) -> dict[str, Tensor]:
        x_l.clear()
        if layers != {PICTURE}:
            try:
                x_l[OUTPUT] = one_input(network.preprocess(x))
            except AllLayersSeen:
                pass
            except MODEL_ERRORS as error:
                raise model_error(network, x, error) from error
        if missing := inner - x_l.keys():
            raise ValueError(f"{', '.join(sorted(missing))}: a picture does not pass through this layer.")
        return {name: by_picture(x_l[name], name, x.shape[0], turned) for name in layers & x_l.keys()}

    hooks = [modules[name].register_forward_hook(keep(name)) for name in inner]
    try:
        yield collect
    finally:
        x_l.clear()
        for hook in hooks:
            hook.remove()


def frozen_chain(
    network: Pretrained, layers: frozenset[str], precision: torch.dtype | None, at: Position | None = None
) -> Callable[[Tensor], dict[str, Tensor] | None] | None:
    """The same as `activation_hooks`, by `freeze`; None for several layers, or if `encode` is not the network's own.

    `at`: computes one position of the layer from its receptive field; returns None if that is the whole picture.
    """
    inner = layers - {PICTURE}
    if len(inner) != 1 or not network.one_input.is_whole:
        return None
    (layer,) = inner
    if layer not in {OUTPUT, *(name for name, _ in network.model.named_modules())}:
        return None
    frozen = freeze(network.one_input, None if layer == OUTPUT else f"model.{layer}", precision, at)
    turned = tokens_first(network.model)

    def collect(x: Tensor) -> dict[str, Tensor] | None:
        seen = network.preprocess(x)
        if at is not None and not frozen.crops(seen):
            return None
        return {layer: by_picture(frozen(seen), layer, x.shape[0], turned)}

    return collect


def activations(network: Pretrained, layers: frozenset[str], x: Tensor) -> dict[str, Tensor]:
    """x_l of these layers, without gradients.

    Raises:
        ValueError: as `activation_hooks`.
    """
    x = x.detach().to(network.like)
    with torch.no_grad(), frozen_parameters(network.model), activation_hooks(network, layers) as collect:
        return collect(x) | {PICTURE: x}


def is_out_of_memory(error: Exception) -> bool:
    """Whether a RuntimeError says that the CPU's memory is full."""
    return "DefaultCPUAllocator" in str(error)


def model_error(network: Pretrained, x: Tensor, error: Exception) -> Exception:
    """The error to raise for one of a network; the same, if it lacks a layer by hand, or GPU memory."""
    if isinstance(error, NotImplementedError | torch.OutOfMemoryError):
        return error
    H, W = x.shape[-2:] if x.ndim == 4 else (network.size, network.size)
    what = f"pictures of {H} x {W} pixels" if x.ndim == 4 else f"x {list(x.shape)}"
    if is_out_of_memory(error):
        number = f"{len(x)} " if x.ndim == 4 else ""
        return MemoryError(f"{network.title}: {number}{what} take more memory than there is.")
    other = "" if H == W == network.size else f"; it was made for {network.size} x {network.size}"
    hint = ""
    if x.ndim == 4 and isinstance(first := first_layer(network.model), nn.Conv1d | nn.Conv3d | nn.Linear):
        kind = type(first).__name__
        hint = f" Its first layer is a {kind}. Inputs that are no pictures are drawn in Python, by image=Array(shape)."
    if isinstance(error, TypeError) and "missing" in str(error):
        hint = " A network of several inputs needs the others, `given` by name."
    return ValueError(f"{network.title}: it cannot take {what}{other}. {type(error).__name__}: {error}{hint}")
