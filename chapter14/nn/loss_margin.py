"""Losses of a margin."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .. import functional as F
from .distance import PairwiseDistance


class HingeEmbeddingLoss(nn.HingeEmbeddingLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(nn.MarginRankingLoss):
    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class MultiMarginLoss(nn.MultiMarginLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class MultiLabelMarginLoss(nn.MultiLabelMarginLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class CosineEmbeddingLoss(nn.CosineEmbeddingLoss):
    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(nn.TripletMarginLoss):
    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        how: Any = {"p": self.p, "eps": self.eps, "swap": self.swap, "reduction": self.reduction}
        return F.triplet_margin_loss(anchor, positive, negative, self.margin, **how)


class TripletMarginWithDistanceLoss(nn.TripletMarginWithDistanceLoss):
    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        how: Any = {"margin": self.margin, "swap": self.swap, "reduction": self.reduction}
        d: Any = self.distance_function
        if type(d) is nn.PairwiseDistance:  # torch's default; what else is given is called as it is
            d = PairwiseDistance(d.norm, d.eps, d.keepdim)
        return F.triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=d, **how)
