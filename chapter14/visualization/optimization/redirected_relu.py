"""Through a relu that is shut: a way back that no function has, for the first steps of a dead neuron.

    g_in = 0 where x <= 0 and g > 0, else g        relu (14.32) has 0 wherever x < 0

A neuron whose input is negative everywhere has no gradient, and nothing to climb. Here its J may still fall: what would
raise the input of a relu that is shut comes through, as long as the neuron sleeps. Native autograd knows one backward
for relu; a layer that is written by hand may have another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...layer import Layer
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


class Redirected(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in RELUS and torch.is_grad_enabled():
            return RedirectedRelu.of(args[0] if args else kwargs["input"])
        return func(*args, **kwargs)


@contextmanager
def redirected(model: nn.Module) -> Iterator[None]:
    """Every relu inside lets through what would open it: of functions, methods and modules, this package's too."""

    def instead(module: nn.Module, inputs: tuple[Tensor, ...], x_out: Tensor) -> Tensor:
        return RedirectedRelu.of(*inputs)

    # those of torch.nn call what the mode sees
    ours = [m for m in model.modules() if isinstance(m, nn.ReLU) and type(m).forward is not nn.ReLU.forward]
    written_over = [module for module in ours if module.inplace]
    hooks = [module.register_forward_hook(instead, prepend=True) for module in ours]
    try:
        for module in written_over:
            module.inplace = False
        with Redirected():
            yield
    finally:
        for module in written_over:
            module.inplace = True
        for hook in hooks:
            hook.remove()
