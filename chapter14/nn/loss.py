"""Losses (section 14.6.3 has `L2Loss`, which is the chapter's own)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .. import functional as F


class L1Loss(nn.L1Loss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(nn.MSELoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class NLLLoss(nn.NLLLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(nn.CrossEntropyLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        how: Any = {"ignore_index": self.ignore_index, "reduction": self.reduction}
        return F.cross_entropy(input, target, self.weight, label_smoothing=self.label_smoothing, **how)
