"""Distillation (Hinton et al., 2015, arXiv:1503.02531): the network learns what a teacher says of the same photograph.

    p = softmax(z_teacher(x) / T)                     of the photograph itself, at a larger size
    J = T CE(z(x + d) / T, p)                         of the attacked one; dJ/dz = softmax(z / T) - p

A label is one of twelve words; the thousand probabilities hold more of a photograph, and fit any part of it. So what
the published weights know of ImageNet's other classes is not forgotten (of robust networks: Goldblum et al., 2020,
arXiv:1905.09747).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .. import functional as F
from .. import nn
from ..models.imagenet import load_efficientnet_lite

T = 2.0  # the temperature
SIZE = 160  # at which the teacher sees; at the size of the photographs it is right less often


class Teacher(nn.Module):
    """EfficientNet-Lite0; and `head`, which is trained: the linear layer by which the network answers as it does.

    Raises:
        ValueError: the weights are not installed: see `load_efficientnet_lite`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = load_efficientnet_lite(0).model.requires_grad_(False)
        published: Any = self.network.classifier
        self.head = nn.Linear(published.in_features, published.out_features)
        self.head.load_state_dict(published.state_dict())

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """x [B, 3, H, W], entries from -1 to 1 → p [B, 1000]."""
        larger = interpolate(x, size=(SIZE, SIZE), mode="bicubic", antialias=True)
        return torch.softmax(self.network(larger) / T, 1)

    def distance(self, features: Tensor, p: Tensor) -> Tensor:
        """J, the mean over photographs, of the network's features [B, N]."""
        return F.mul(F.cross_entropy(F.mul(self.head(features), 1 / T), p), T)
