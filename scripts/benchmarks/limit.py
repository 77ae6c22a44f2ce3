"""Lower limits. Memory: the bits that determine the linear piece. Time: the products at the machine's best rate."""

from __future__ import annotations

import math
from contextlib import suppress

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode

import chapter14
from chapter14.frozen.layers import Unsupported
from chapter14.frozen.max_pool import FrozenMaxPool

from .clock import Given, now

#: Convolutions to find the best rate among: B, C, H, M, K.
SHAPES = (8, 64, 56, 64, 3), (8, 128, 28, 128, 3), (8, 256, 28, 256, 3), (8, 512, 14, 512, 3), (8, 256, 56, 256, 1)


def bytes_of_kinks(model: nn.Module, x: Tensor) -> float | None:
    """A bit for each entry of a relu, log2(k² + 1) for one of a k x k max pool with relu. None: another function."""
    graph, rest = chapter14.freeze(model).graph_for(x), 0.0
    (*_, chain) = (None,) if graph is None else graph.chains or (None,)
    shapes: list[torch.Size] = []
    if chain is None or len(chain.outputs) != 1 or x.requires_grad:
        return None
    with torch.no_grad(), suppress(Unsupported):
        x_out, native = chain.run([x], shapes)[0], model(x)
    if len(shapes) <= len(chain.layers) or x_out.shape != native.shape or not torch.allclose(x_out, native, 1e-3, 1e-3):
        return None  # the network has more than this chain
    for layer, shape in zip(chain.layers, shapes[chain.inputs :], strict=True):
        if isinstance(layer, FrozenMaxPool):
            rest += shape.numel() * math.log2(layer.size**2 + int(layer.relu))
        elif layer.relu:
            rest += shape.numel()
    return rest / 8


def seconds(model: nn.Module, x: Tensor, rate: float) -> float:
    """The time of twice the products of a forward pass."""
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        model(x)
    return 2 * counted.get_total_flops() / rate


def rate(given: Given) -> float:
    """Operations per second of the fastest convolution."""
    found = 0.0
    with torch.no_grad():
        for B, C, H, M, K in SHAPES:
            x = torch.randn(B, C, H, H, device=given.device).contiguous(memory_format=torch.channels_last)
            W = torch.randn(M, C, K, K, device=given.device).contiguous(memory_format=torch.channels_last)
            for _ in range(4):
                start = now(given)
                x_out = conv2d(x, W, padding=K // 2)
                found = max(found, 2 * x_out.numel() * C * K * K / (now(given) - start))
    return found
