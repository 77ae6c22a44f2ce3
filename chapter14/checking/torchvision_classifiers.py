"""One classifier of every family of torchvision, in full size, and small enough to test them all.

A small version has the same classes and calls the same functions, with fewer or narrower blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from .network_comparison import ComparedNetwork

#: torchvision's name -> the arguments of its constructor.
OPTIONS: dict[str, dict[str, Any]] = {
    "alexnet": {},
    "vgg11_bn": {"init_weights": False},
    "resnet18": {},
    "resnext50_32x4d": {},
    "wide_resnet50_2": {},
    "densenet121": {},
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False, "aux_logits": False},
    "squeezenet1_1": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "mnasnet0_5": {},
    "shufflenet_v2_x0_5": {},
    "efficientnet_b0": {},
    "efficientnet_v2_s": {},
    "regnet_y_400mf": {},
    "convnext_tiny": {},
    "vit_b_16": {},
    "swin_t": {},
    "swin_v2_t": {},
    "maxvit_t": {},
}

#: The smallest image size that the small version accepts, if it is not 32.
SMALLEST = {"alexnet": 64, "googlenet": 64, "inception_v3": 75, "squeezenet1_1": 48}


def classifiers(full: bool) -> list[ComparedNetwork]:
    def network(name: str) -> ComparedNetwork:
        size = (299 if name == "inception_v3" else 224) if full else SMALLEST.get(name, 32)
        return ComparedNetwork(name, partial(_full if full else _small, name), images(size))

    return [network(name) for name in OPTIONS]


def images(size: int, n: int = 2) -> Callable[[], tuple]:
    return lambda: (torch.randn(n, 3, size, size).requires_grad_(),)


def _full(name: str) -> nn.Module:
    from torchvision import models

    return models.get_model(name, weights=None, **OPTIONS[name])


def _small(name: str) -> nn.Module:
    from torchvision import models
    from torchvision.models import convnext, efficientnet, regnet, resnet, swin_transformer

    fused, mixed = efficientnet.FusedMBConvConfig, efficientnet.MBConvConfig
    blocks = {
        "efficientnet_b0": [mixed(1, 3, 1, 16, 8, 1, 1, 1), mixed(6, 5, 2, 8, 16, 2, 1, 1)],
        "efficientnet_v2_s": [fused(1, 3, 1, 8, 8, 1), fused(4, 3, 2, 8, 16, 2), mixed(4, 3, 2, 16, 24, 2)],
    }
    stages = regnet.BlockParams.from_init_params(4, 16, 28, 2, 8, se_ratio=0.25)
    widths = [convnext.CNBlockConfig(16, 32, 1), convnext.CNBlockConfig(32, None, 2)]
    swin = partial(models.SwinTransformer, [4, 4], 16, [2, 2], [2, 4], [4, 4], stochastic_depth_prob=0.2)
    maxvit = {"block_channels": [16, 32], "block_layers": [1, 1], "stochastic_depth_prob": 0.1}
    bottlenecks = partial(models.ResNet, resnet.Bottleneck, [1, 1, 1, 1])
    versions: dict[str, Callable[[], nn.Module]] = {
        "alexnet": lambda: _narrow(models.alexnet),
        "vgg11_bn": lambda: _narrow(models.vgg11_bn),
        "resnet18": partial(models.ResNet, resnet.BasicBlock, [1, 1, 1, 1]),
        "resnext50_32x4d": partial(bottlenecks, groups=32, width_per_group=4),
        "wide_resnet50_2": partial(bottlenecks, width_per_group=128),
        "densenet121": partial(models.DenseNet, 16, (2, 3, 2, 2), 16),
        "mobilenet_v2": partial(models.MobileNetV2, width_mult=0.25),
        "efficientnet_b0": partial(models.EfficientNet, blocks["efficientnet_b0"], 0.2),
        "efficientnet_v2_s": partial(models.EfficientNet, blocks["efficientnet_v2_s"], 0.2, last_channel=32),
        "regnet_y_400mf": partial(models.RegNet, stages),
        "convnext_tiny": partial(models.ConvNeXt, widths, 0.1),
        "vit_b_16": partial(models.VisionTransformer, 32, 8, 2, 2, 32, 64),
        "swin_t": swin,
        "swin_v2_t": partial(
            swin, block=swin_transformer.SwinTransformerBlockV2, downsample_layer=swin_transformer.PatchMergingV2
        ),
        "maxvit_t": partial(models.MaxVit, (32, 32), stem_channels=16, partition_size=2, head_dim=8, **maxvit),
    }
    return versions.get(name, partial(_full, name))()


def _narrow(make: Callable[..., nn.Module]) -> nn.Module:
    """Makes a network whose last layers, which have most of the parameters, are 32 wide; allocates only these."""
    with torch.device("meta"):
        model: Any = make(weights=None)
        last = [m for m in model.classifier if isinstance(m, nn.Linear)]
        for layer, N in zip(last, [last[0].in_features, 32, 32], strict=True):
            layer.__init__(N, 32)  # type: ignore[misc]
    model.to_empty(device="cpu")
    for m in model.modules():
        if hasattr(m, "reset_parameters"):
            m.reset_parameters()
    return model
