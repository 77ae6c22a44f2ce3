"""EfficientNet-Lite (Tan and Le, 2019, arXiv:1905.11946; Lite has relu6 and no attention).

    x_out = h(conv(h(depthwise(h(conv(x_in))))))  (+ x_in)         an inverted residual (arXiv:1801.04381)

The order of the tensors is that of the published weights. Two things differ from the published network: padding is the
same on both sides, so that no copy is needed; and x is blurred by [1 2 1]/4 before the first convolution, whose stride
of 2 would otherwise put a grid of two pixels into the gradient dx_out/dx.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from .. import functional as F
from .. import nn
from .state_dict import read_state_dict


class InvertedResidual(nn.Module):
    """x [B, C, H, W] → [B, M, H / stride, W / stride]; x is added where both have the same shape."""

    def __init__(self, C: int, M: int, kernel: int, stride: int, expand: int):
        super().__init__()
        N = C * expand
        expanded = [*_normalized(C, N, 1), nn.ReLU6()] if expand > 1 else []
        depthwise = [*_normalized(N, N, kernel, stride, groups=N), nn.ReLU6()]
        self.body = nn.Sequential(*expanded, *depthwise, *_normalized(N, M, 1))
        self.residual = stride == 1 and C == M

    def forward(self, x: Tensor) -> Tensor:
        if not self.residual:
            return self.body(x)
        past, through = F.branch(x)
        return F.add(past, self.body(through))


class EfficientNet(nn.Module):
    """x [B, 3, H, W] → [B, dim]. A stage has a width, a kernel, a stride, and a number of blocks."""

    def __init__(
        self,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        kernels: tuple[int, ...],
        strides: tuple[int, ...],
        stem: int,
        expand: int,
        features: int,
        dim: int,
    ):
        super().__init__()
        self.stem = nn.Sequential(*_normalized(3, stem, 3, 2), nn.ReLU6())
        self.stages = nn.Sequential()
        stages = zip(pairwise((stem, *widths)), blocks, kernels, strides, strict=True)
        for i, ((C, M), n, kernel, stride) in enumerate(stages):
            first = InvertedResidual(C, M, kernel, stride, expand if i else 1)
            rest = (InvertedResidual(M, M, kernel, 1, expand if i else 1) for _ in range(n - 1))
            self.stages.append(nn.Sequential(first, *rest))
        self.head = nn.Sequential(*_normalized(widths[-1], features, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1))
        self.out = nn.Linear(features, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What `out` reads, [B, features]."""
        x = F.avg_pool2d(F.avg_pool2d(x, 2, 1, 1, count_include_pad=False), 2, 1)
        return F.flatten(self.head(self.stages(self.stem(x))), 1)

    def load_published(self, path: str | Path) -> None:
        """Loads all but `out` from a published state dict, whose last two tensors are its classifier's.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not this network's state dict.
        """
        published = list(read_state_dict(Path(path)).values())[:-2]
        names = [name for name in self.state_dict() if not name.startswith("out.")]
        if [t.shape for t in published] != [self.state_dict()[name].shape for name in names]:
            raise ValueError(f"{path}: its tensors are not those of this EfficientNet-Lite.")
        self.load_state_dict(dict(zip(names, published, strict=True)), strict=False)


def _normalized(C: int, M: int, kernel: int, stride: int = 1, groups: int = 1) -> list[torch.nn.Module]:
    conv = nn.Conv2d(C, M, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    torch.nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    return [conv, nn.BatchNorm2d(M, eps=1e-3)]
