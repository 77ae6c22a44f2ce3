"""A network that looks at pictures while its layers are watched; afterwards it is as it was."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ...conversion.freeze import freeze
from ...models.pretrained import Pretrained
from .axes import by_picture, tokens_first

OUTPUT = "output"  # the layer that is the network's last
PICTURE = "picture"  # and what comes before its first: x, as it is drawn, before the transforms

Look = Callable[[Tensor], dict[str, Tensor]]
Lean = Callable[[Tensor], dict[str, Tensor] | None]
Place = tuple[int | None, int | None]  # a row and a column; None: in the middle

FAILURES = (
    RuntimeError,
    ValueError,
    AssertionError,
    LookupError,
    AttributeError,
    TypeError,
)  # of a network, at pictures


class Enough(Exception):
    """Every layer that is watched has been seen: the rest of the forward pass is not needed."""


#: Who looks through a model changes it for a while: one thread at a time.
_LOCKS: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()


@contextmanager
def fixed(model: nn.Module) -> Iterator[None]:
    """Parameters that want no gradient, and evaluation mode. Other threads that ask for the same wait."""
    with _LOCKS.setdefault(model, RLock()), _fixed(model):
        yield


@contextmanager
def _fixed(model: nn.Module) -> Iterator[None]:
    wanted = [p for p in model.parameters() if p.requires_grad]
    training = [module for module in model.modules() if module.training]
    try:
        for p in wanted:
            p.requires_grad_(False)
        model.eval()
        yield
    finally:
        for p in wanted:
            p.requires_grad_(True)
        for module in training:
            module.training = True


@contextmanager
def watched(network: Pretrained, layers: frozenset[str], stop: bool = True) -> Iterator[Look]:
    """x → x_l [B, ...] of these layers, by hooks; of a layer that is called several times, the first.

    With `stop`, the forward pass goes no further than the last of them.

    Raises:
        ValueError: the network has no such layer, does not come by it when it looks at a picture, or cannot look at
            pictures of this size.
    """
    modules = dict(network.model.named_modules(remove_duplicate=False))
    within = layers - {OUTPUT, PICTURE}
    if unknown := sorted(within - modules.keys()):
        raise ValueError(f"{', '.join(unknown)}: the network has no such layer. {_near(unknown[0], modules)}")
    turning = tokens_first(network.model)
    x_l: dict[str, Any] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, x_out: Any) -> None:
            if name in x_l:
                return
            x_l[name] = x_out
            if stop and x_l.keys() >= layers - {PICTURE}:
                raise Enough
            if isinstance(x_out, Tensor):  # a layer behind it may write over what it gave
                x_l[name] = x_out.clone()

        return hook

    def look(x: Tensor) -> dict[str, Tensor]:
        x_l.clear()
        if layers != {PICTURE}:
            try:
                x_l[OUTPUT] = network(x)
            except Enough:
                pass
            except FAILURES as error:
                raise failure(network, x, error) from error
        if passed_by := within - x_l.keys():
            raise ValueError(f"{', '.join(sorted(passed_by))}: a picture does not pass through this layer.")
        found = {}
        for name in layers & x_l.keys():
            found[name] = by_picture(x_l[name], name, x.shape[0], turning)
        return found

    hooks = [modules[name].register_forward_hook(keep(name)) for name in within]
    try:
        yield look
    finally:
        x_l.clear()
        for hook in hooks:
            hook.remove()


def chained(
    network: Pretrained, layers: frozenset[str], precision: torch.dtype | None, at: Place | None = None
) -> Lean | None:
    """The same as `watched`, by one lean chain; None where more than one layer is asked for, or it reads sentences.

    `at`: one place of the layer, and what that sees; it gives None where the network up to there sees more.
    """
    within = layers - {PICTURE}
    if len(within) != 1 or network.reads or network.encode is not None:
        return None
    (layer,) = within
    if layer not in {OUTPUT, *(name for name, _ in network.model.named_modules())}:
        return None
    frozen = freeze(network.model, None if layer == OUTPUT else layer, precision, at)
    turning = tokens_first(network.model)

    def look(x: Tensor) -> dict[str, Tensor] | None:
        seen = network.seen(x)
        if at is not None and not frozen.cuts(seen):
            return None
        return {layer: by_picture(frozen(seen), layer, x.shape[0], turning)}

    return look


def activations(network: Pretrained, layers: frozenset[str], x: Tensor) -> dict[str, Tensor]:
    """x_l of these layers, of pictures that nothing is to be done to.

    Raises:
        ValueError: as `watched`.
    """
    like = next(network.model.parameters(), torch.zeros(()))
    x = x.detach().to(like)
    with torch.no_grad(), fixed(network.model), watched(network, layers) as look:
        return look(x) | {PICTURE: x}


def _near(name: str, modules: Mapping[str, nn.Module]) -> str:
    known = [name for name in modules if name]
    near = difflib.get_close_matches(name, known, 5, 0.4)
    said = f"Near it: {', '.join(near)}. " if near else ""
    return f"{said}`chapter14 visualize --list` has all {len(known)}; and there are {OUTPUT} and {PICTURE}."


def no_memory(error: Exception) -> bool:
    """Whether it is that of a CPU, which is a RuntimeError like any other."""
    return "DefaultCPUAllocator" in str(error)


def failure(network: Pretrained, x: Tensor, error: Exception) -> Exception:
    """What to raise where a network fails: where it lacks a layer by hand, or memory, the very same."""
    if isinstance(error, NotImplementedError | torch.OutOfMemoryError):
        return error
    H, W = x.shape[-2:]
    if no_memory(error):
        return MemoryError(f"{network.called}: {len(x)} pictures of {H} x {W} pixels take more memory than there is.")
    other = "" if H == W == network.size else f"; it was made for {network.size} x {network.size}"
    return ValueError(
        f"{network.called}: it cannot look at pictures of {H} x {W} pixels{other}. {type(error).__name__}: {error}"
    )
