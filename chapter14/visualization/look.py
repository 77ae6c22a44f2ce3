"""A network that looks at pictures while its layers are watched; afterwards it is as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from ..models.zoo import Pretrained

OUTPUT = "output"  # the layer that is the network's last


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
def watched(network: Pretrained, layers: frozenset[str]) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """x → x_l of these layers, by hooks.

    Raises:
        ValueError: the network has no such layer, or does not come by it when it looks at a picture.
    """
    modules = dict(network.model.named_modules())
    if unknown := layers - modules.keys() - {OUTPUT}:
        known = ", ".join(name for name in modules if name)
        raise ValueError(f"{', '.join(sorted(unknown))}: the network has no such layer. Its layers: {known}.")
    x_l: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, inputs, x_out: x_l.update({name: x_out})

    def look(x: Tensor) -> dict[str, Tensor]:
        x_l.clear()
        x_l[OUTPUT] = network(x)
        if passed_by := layers - x_l.keys():
            raise ValueError(f"{', '.join(sorted(passed_by))}: a picture does not pass through this layer.")
        return x_l

    hooks = [modules[name].register_forward_hook(keep(name)) for name in layers - {OUTPUT}]
    try:
        yield look
    finally:
        for hook in hooks:
            hook.remove()
