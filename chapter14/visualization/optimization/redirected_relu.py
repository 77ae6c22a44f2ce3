"""A backward pass for relu that wakes dead neurons, for the first steps of a descent.

    g_in = 0 where x <= 0 and g > 0, else g        relu (14.32) has 0 wherever x < 0
    g_in = 0 where x >= 6 and g < 0, too           relu6

A neuron whose input is negative everywhere has no gradient. Here its J can still fall: a gradient that would raise the
input of an inactive relu passes through. This is not the derivative of any function.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...layer.base import Layer
from ...layers.core.arithmetic import gate


class RedirectedRelu(Layer):
    letters = {"x": "..."}

    @staticmethod
    def forward(x, top):
        return x.clamp(0, top)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, top = inputs[0].detach(), inputs[1]
        return x > 0, x < top

    @staticmethod
    def backward(needs, g, above, below):
        raises, lowers = g.detach() < 0, g.detach() > 0
        return gate(g, (above | raises) & (below | lowers)), None

    @staticmethod
    def jvp(tangents, x, top):
        return gate(tangents[0], (x.detach() > 0) & (x.detach() < top))


RELUS = {torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, nn.functional.relu, nn.functional.relu_}
HARDTANHS = {nn.functional.hardtanh, nn.functional.hardtanh_}  # what nn.ReLU6 calls, from 0


def _top(func: Any, arguments: Mapping[str, Any]) -> float | None:
    """The largest output of a relu; None of another function."""
    if func in RELUS:
        return math.inf
    if func is nn.functional.relu6:
        return 6.0
    if func in HARDTANHS and arguments.get("min_val") == 0:
        return arguments.get("max_val", 1.0)
    return None


class RedirectedMode(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        arguments = dict(zip(("input", "min_val", "max_val"), args, strict=False)) | kwargs
        if torch.is_grad_enabled() and (top := _top(func, arguments)) is not None:
            return RedirectedRelu.of(arguments["input"], top)
        return func(*args, **kwargs)


@contextmanager
def redirected(model: nn.Module) -> Iterator[None]:
    """Replaces every relu and relu6 inside by `RedirectedRelu`: functions, methods and modules, this package's too."""

    def replace(module: nn.Module, inputs: tuple[Tensor, ...], x_out: Tensor) -> Tensor:
        return RedirectedRelu.of(*inputs, 6.0 if isinstance(module, nn.ReLU6) else math.inf)

    # torch.nn's modules call functions, which the mode replaces
    natives = (nn.ReLU.forward, nn.ReLU6.forward)
    ours = [m for m in model.modules() if isinstance(m, nn.ReLU | nn.ReLU6) and type(m).forward not in natives]
    in_place = [module for module in ours if module.inplace]
    hooks = [module.register_forward_hook(replace, prepend=True) for module in ours]
    try:
        for module in in_place:
            module.inplace = False
        with RedirectedMode():
            yield
    finally:
        for module in in_place:
            module.inplace = True
        for hook in hooks:
            hook.remove()
