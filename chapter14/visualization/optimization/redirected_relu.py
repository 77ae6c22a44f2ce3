"""A backward pass for relu that wakes dead neurons, for the first steps of a descent.

    g_in = 0 where x <= 0 and g > 0, else g        relu (14.32) has 0 wherever x < 0

A neuron whose input is negative everywhere has no gradient. Here its J can still fall: a gradient that would raise the
input of an inactive relu passes through. This is not the derivative of any function.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    def forward(x):
        return x.relu()

    @staticmethod
    def remember(needs, inputs, x_out):
        return (inputs[0].detach() > 0,)

    @staticmethod
    def backward(needs, g, open):
        return (gate(g, open | (g.detach() < 0)),)

    @staticmethod
    def jvp(tangents, x):
        return gate(tangents[0], x.detach() > 0)


RELUS = {torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, nn.functional.relu, nn.functional.relu_}


class RedirectedMode(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in RELUS and torch.is_grad_enabled():
            return RedirectedRelu.of(args[0] if args else kwargs["input"])
        return func(*args, **kwargs)


@contextmanager
def redirected(model: nn.Module) -> Iterator[None]:
    """Replaces every relu inside by `RedirectedRelu`: functions, methods and modules, this package's too."""

    def replace(module: nn.Module, inputs: tuple[Tensor, ...], x_out: Tensor) -> Tensor:
        return RedirectedRelu.of(*inputs)

    # torch.nn's modules call functions, which the mode replaces
    ours = [m for m in model.modules() if isinstance(m, nn.ReLU) and type(m).forward is not nn.ReLU.forward]
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
