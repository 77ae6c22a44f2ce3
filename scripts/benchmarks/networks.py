"""The networks, and the variants that are compared.

native          parameters fixed, so only the gradient of the data; for a module: the whole network, with a hook there
unfrozen        J.backward() with gradients of the parameters too
folded          batch norm folded into the convolution before it, and stopped at the module
tuned           folded, and channels-last
compiled        tuned, through torch.compile
checkpointed    each block is recomputed in the backward pass
memsave         memsave_torch, where it is installed
"""

from __future__ import annotations

import copy
import importlib.util
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.checkpoint import checkpoint

import chapter14

NETWORKS = ("resnet18", "resnet50", "squeezenet1_1", "vgg11", "vit_b_16")
SMALL = "small"  # a network of this file, to test the script
BLOCKS = "BasicBlock", "Bottleneck", "Fire", "EncoderBlock"  # classes of torchvision


def made(name: str) -> tuple[nn.Module, str | None]:
    """The network of "network" or "network:module" in evaluation mode, parameters fixed, and the name of the module."""
    from torchvision import models

    name, _, until = name.partition(":")
    torch.manual_seed(14)
    model = _small() if name == SMALL else models.get_model(name, weights=None)
    return model.eval().requires_grad_(False), until or None


def _small() -> nn.Module:
    conv = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU()
    rest = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 20)
    return nn.Sequential(OrderedDict(features=nn.Sequential(*conv), classes=nn.Sequential(*rest)))


class Watched(nn.Module):
    """The whole network, returning the output of one module."""

    def __init__(self, model: nn.Module, until: str | None):
        super().__init__()
        self.model = copy.deepcopy(model)
        if until is not None:
            self.model.get_submodule(until).register_forward_hook(self._keep)
        self.until = until

    def _keep(self, module: nn.Module, inputs: tuple, x_out: Tensor) -> None:
        self.found = x_out

    def forward(self, x: Tensor) -> Tensor:
        x_out = self.model(x)
        return x_out if self.until is None else vars(self).pop("found")


class Folded(nn.Module):
    """Batch norm folded into the convolution before it, and stopped at the module."""

    class Reached(Exception):
        pass

    def __init__(self, model: nn.Module, until: str | None, channels_last: bool = False):
        super().__init__()
        self.model = copy.deepcopy(model)
        for parent in self.model.modules():
            children = list(parent.named_children())
            for (name, conv), (norm_name, norm) in zip(children, children[1:], strict=False):
                if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
                    setattr(parent, name, fuse_conv_bn_eval(conv, norm).requires_grad_(False))
                    setattr(parent, norm_name, nn.Identity())
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.model.to(memory_format=self.order)
        if until is not None:
            self.model.get_submodule(until).register_forward_hook(self._stop)

    def _stop(self, module: nn.Module, inputs: tuple, x_out: Tensor) -> None:
        raise self.Reached(x_out)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.model(x.contiguous(memory_format=self.order))
        except self.Reached as reached:
            return reached.args[0]


def checkpointed(model: nn.Module) -> nn.Module:
    """Each block saves its input only; without blocks, the layers between two pools are one."""
    model = copy.deepcopy(model)
    blocks = [module for module in model.modules() if type(module).__name__ in BLOCKS]
    if not blocks:
        ends = [i + 1 for i, m in enumerate(model.features) if isinstance(m, nn.MaxPool2d)]
        blocks = [model.features[a:b] for a, b in zip([0, *ends], [*ends, len(model.features)], strict=True)]
        model.features = nn.Sequential(*blocks)
    for block in blocks:
        block.forward = _again(block.forward)
    return model


def _again(forward: Callable) -> Callable:
    return lambda x: checkpoint(forward, x, use_reentrant=True)  # this form saves x where saved bytes are counted


def memsave(model: nn.Module) -> nn.Module | None:
    if importlib.util.find_spec("memsave_torch") is None:
        return None
    from memsave_torch.nn import convert_to_memory_saving

    return convert_to_memory_saving(copy.deepcopy(model))


#: A variant -> the network in that variant.
WAYS: dict[str, Callable[[nn.Module, str | None], nn.Module | None]] = {
    "unfrozen": lambda model, until: Watched(model, until).requires_grad_(),
    "native": Watched,
    "folded": Folded,
    "tuned": lambda model, until: Folded(model, until, channels_last=True),
    "compiled": lambda model, until: torch.compile(Folded(model, until, channels_last=True)),
    "checkpointed": lambda model, until: checkpointed(model),
    "memsave": lambda model, until: memsave(model),
    "converted": lambda model, until: chapter14.convert(Watched(model, until)),
    "frozen": chapter14.freeze,
    "frozen, bf16": lambda model, until: chapter14.freeze(model, until, torch.bfloat16),
}
BY_HAND = "native", "folded", "tuned", "compiled"  # without chapter14


def step(f: Any, x: Tensor) -> Callable[[], Tensor]:
    """x → dJ/dx, where J is the mean of a channel; also computes the other gradients that are required."""

    def g_in() -> Tensor:
        data = x.clone().requires_grad_()
        f.zero_grad()
        f(data)[:, 3].mean().backward()
        return data.grad

    return g_in


def bf16(device: str) -> bool:
    """Whether this machine has bfloat16 arithmetic."""
    on_cpu = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    return bool(torch.cuda.is_bf16_supported() if device != "cpu" else on_cpu())
