"""Lists the layers of a network: name, type, and the shape of x_l."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ...models.pretrained import Pretrained
from .axes import by_picture, channels_first, tokens_first
from .hooks import MODEL_ERRORS, OUTPUT, activations, frozen_parameters, model_error

Size = int | tuple[int, int] | None  # of a picture, or its (height, width); by default the network's


class LayerInfo(NamedTuple):
    name: str
    type: str
    shape: tuple[int, ...] | None  # of x_l for one picture; None if its rows are not pictures


def layers(network: Pretrained, size: Size = None) -> list[LayerInfo]:
    """Every layer that a picture passes through, in that order, and the network's output.

    Raises:
        ValueError: the network cannot take a picture of this size.
    """
    names = {module: name for name, module in network.model.named_modules() if name}
    turned, found = tokens_first(network.model), dict[str, LayerInfo]()

    def add(name: str, kind: str, x_out: Any) -> None:
        try:
            shape = tuple(by_picture(x_out, name, 1, turned).shape[1:])
        except ValueError:
            shape = None
        found.setdefault(name, LayerInfo(name, kind, shape))

    def hook(module: nn.Module, inputs: object, x_out: Any) -> None:
        add(names[module], type(module).__name__, x_out)

    x = _blank(network, size)
    hooks = [module.register_forward_hook(hook) for module in names]
    try:
        with torch.no_grad(), frozen_parameters(network.model):
            add(OUTPUT, type(network.model).__name__, network(x))
    except MODEL_ERRORS as error:
        raise model_error(network, x, error) from error
    finally:
        for each in hooks:
            each.remove()
    return list(found.values())


def table(rows: Sequence[LayerInfo]) -> str:
    """One line for each layer: its name, its type, and the shape of x_l for one picture."""
    shapes = ["-" if row.shape is None else " x ".join(map(str, row.shape)) for row in rows]
    widths = [max(map(len, column), default=0) for column in zip(*(row[:2] for row in rows), strict=True)]
    return "\n".join(
        f"{row.name:{widths[0]}}  {row.type:{widths[1]}}  {shape}" for row, shape in zip(rows, shapes, strict=True)
    )


def channels(network: Pretrained, layer: str, axis: int | None = None, size: Size = None) -> int:
    """The number of channels, or neurons, of a layer.

    Raises:
        ValueError: the network has no such layer, a picture does not pass through it, or it has no channels.
    """
    x = _blank(network, size)
    x_l = activations(network, frozenset([layer]), x)[layer]
    return channels_first(x_l, layer, x, axis).shape[1]


def _blank(network: Pretrained, size: Size) -> torch.Tensor:
    size = size or network.size
    return torch.zeros(1, network.channels, *((size, size) if isinstance(size, int) else size)).to(network.like)
