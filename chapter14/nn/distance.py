"""Distances and likeness."""

from __future__ import annotations

from torch import Tensor, nn

from .. import functional as F


class PairwiseDistance(nn.PairwiseDistance):
    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(nn.CosineSimilarity):
    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
