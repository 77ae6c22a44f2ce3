"""A network that looks at pictures while its layers are watched; afterwards it is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from ..models.pretrained import Pretrained

OUTPUT = "output"  # the layer that is the network's last
PICTURE = "picture"  # and what comes before its first: x, as it is drawn, before the transforms


class Enough(Exception):
    """Every layer that is watched has been seen: the rest of the forward pass is not needed."""


@contextmanager
def fixed(model: nn.Module) -> Iterator[None]:
    """Parameters that want no gradient, and evaluation mode."""
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
def watched(
    network: Pretrained, layers: frozenset[str], stop: bool = True
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """x → x_l of these layers, by hooks. With `stop`, the forward pass goes no further than the last of them.

    Raises:
        ValueError: the network has no such layer, or does not come by it when it looks at a picture.
    """
    modules = dict(network.model.named_modules())
    within = layers - {OUTPUT, PICTURE}
    if unknown := within - modules.keys():
        known = ", ".join(name for name in modules if name)
        raise ValueError(f"{', '.join(sorted(unknown))}: the network has no such layer. Its layers: {known}.")
    x_l: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, x_out: Tensor) -> None:
            x_l[name] = x_out
            if stop and x_l.keys() >= layers - {PICTURE}:
                raise Enough

        return hook

    def look(x: Tensor) -> dict[str, Tensor]:
        x_l.clear()
        if layers != {PICTURE}:
            try:
                x_l[OUTPUT] = network(x)
            except Enough:
                pass
        if passed_by := within - x_l.keys():
            raise ValueError(f"{', '.join(sorted(passed_by))}: a picture does not pass through this layer.")
        return dict(x_l)

    hooks = [modules[name].register_forward_hook(keep(name)) for name in within]
    try:
        yield look
    finally:
        x_l.clear()
        for hook in hooks:
            hook.remove()
