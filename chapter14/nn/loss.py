"""Losses (section 14.6.3 has `L2Loss`, which is the chapter's own)."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.adaptive import _ASMoutput

from .. import functional as F
from .linear import Linear


class L1Loss(nn.L1Loss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(nn.MSELoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class HuberLoss(nn.HuberLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(nn.SmoothL1Loss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class NLLLoss(nn.NLLLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # that it is deprecated, which is for whoever makes one to hear

    class NLLLoss2d(nn.NLLLoss2d):
        forward = NLLLoss.forward


class CrossEntropyLoss(nn.CrossEntropyLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        how: Any = {"ignore_index": self.ignore_index, "reduction": self.reduction}
        return F.cross_entropy(input, target, self.weight, label_smoothing=self.label_smoothing, **how)


#: Newer versions of torch have it.
_LinearCrossEntropyLoss: Any = getattr(nn, "LinearCrossEntropyLoss", nn.Module)


class LinearCrossEntropyLoss(_LinearCrossEntropyLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape = (self.num_classes, *self.out_features)
        W = F.reshape(self.linear.weight, (*shape, self.linear.in_features))
        b = None if self.linear.bias is None else F.reshape(self.linear.bias, shape)
        how: Any = {"ignore_index": self.ignore_index, "reduction": self.reduction, "options": self.options}
        how |= {"weight": self.weight, "label_smoothing": self.label_smoothing}
        return F.linear_cross_entropy(input, W, target, linear_bias=b, **how)


class BCELoss(nn.BCELoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(nn.BCEWithLogitsLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        how: Any = {"reduction": self.reduction, "pos_weight": self.pos_weight}
        return F.binary_cross_entropy_with_logits(input, target, self.weight, **how)


class MultiLabelSoftMarginLoss(nn.MultiLabelSoftMarginLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)


class SoftMarginLoss(nn.SoftMarginLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class KLDivLoss(nn.KLDivLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(nn.PoissonNLLLoss):
    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        how: Any = {"eps": self.eps, "reduction": self.reduction}
        return F.poisson_nll_loss(log_input, target, self.log_input, self.full, **how)


class GaussianNLLLoss(nn.GaussianNLLLoss):
    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class CTCLoss(nn.CTCLoss):
    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor) -> Tensor:
        how: Any = {"blank": self.blank, "reduction": self.reduction, "zero_infinity": self.zero_infinity}
        return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, **how)


class AdaptiveLogSoftmaxWithLoss(nn.AdaptiveLogSoftmaxWithLoss):
    """log p of each target: of its column of the head, plus, where that is a cluster, of the target inside it."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for module in self.modules():
            if type(module) is nn.Linear:
                module.__class__ = Linear

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """
        Raises:
            RuntimeError: as PyTorch's: shapes that do not go together, a target that is no class.
        """
        self._check(input_, target_)
        if target_.dim() == 0:
            output, loss = self(F.unsqueeze(input_, 0), target_.unsqueeze(0))
            return _ASMoutput(F.squeeze(output, 0), loss)
        x_head, *x_tail = F.branch(input_, 1 + len(self.tail))
        column, inside = target_.clone(), []
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            rows = ((target_ >= low) & (target_ < high)).nonzero().squeeze(1)
            if len(rows):
                column[rows] = self.shortlist_size + i
                log_p = F.log_softmax(self.tail[i](F.index_select(x_tail[i], 0, rows)), 1)
                inside.append((rows, _at(log_p, target_[rows] - low)))
        output = _at(F.log_softmax(self.head(x_head), 1), column)
        for rows, log_p in inside:
            output = F.index_add(output, 0, rows, log_p)
        one, another = F.branch(output, 2)
        return _ASMoutput(one, F.mul(F.mean(another), -1))

    def _check(self, input_: Tensor, target_: Tensor) -> None:
        if target_.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if input_.dim() != target_.dim() + 1:
            raise RuntimeError(
                f"{target_.dim()}D target tensor expects {target_.dim() + 1}D input tensors, "
                f"but found inputs with size {input_.size()}"
            )
        if target_.dim() and len(input_) != len(target_):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if ((target_ < 0) | (target_ >= self.n_classes)).any():
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], "
                f"but values in range [{target_.min().item()}, {target_.max().item()}] were found. "
            )

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        shortlist, clusters = F.split(F.log_softmax(head_output, 1), [self.shortlist_size, self.n_clusters], 1)
        inside = [F.log_softmax(tail(x), 1) for tail, x in zip(self.tail, F.branch(input, len(self.tail)), strict=True)]
        whole = [F.add(log_p, c) for log_p, c in zip(inside, F.split(clusters, 1, 1), strict=True)]
        return F.merge(shortlist, *whole, dim=1)


def _at(x: Tensor, index: Tensor) -> Tensor:
    """x[i, index[i]]"""
    return F.squeeze(F.gather(x, 1, index.unsqueeze(1)), 1)
