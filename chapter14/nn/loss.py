"""Losses with logic of their own; those that only call a function are in mirror.py, `L2Loss` is in chapter.py."""

from __future__ import annotations

import itertools
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.adaptive import _ASMoutput

from .. import functional as F
from .fallback import or_natively
from .mirror import PairwiseDistance
from .submodules import ours_inside

#: Older versions of torch do not have it.
_LinearCrossEntropyLoss: Any = getattr(nn, "LinearCrossEntropyLoss", nn.Module)


class LinearCrossEntropyLoss(_LinearCrossEntropyLoss):
    @or_natively(_LinearCrossEntropyLoss.forward)
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        shape = (self.num_classes, *self.out_features)
        W = F.reshape(self.linear.weight, (*shape, self.linear.in_features))
        b = None if self.linear.bias is None else F.reshape(self.linear.bias, shape)
        how: Any = {"ignore_index": self.ignore_index, "reduction": self.reduction, "options": self.options}
        how |= {"weight": self.weight, "label_smoothing": self.label_smoothing}
        return F.linear_cross_entropy(input, W, target, linear_bias=b, **how)


class TripletMarginWithDistanceLoss(nn.TripletMarginWithDistanceLoss):
    @or_natively(nn.TripletMarginWithDistanceLoss.forward)
    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        how: Any = {"margin": self.margin, "swap": self.swap, "reduction": self.reduction}
        d: Any = self.distance_function
        if type(d) is nn.PairwiseDistance:  # torch's default; another function is called as it is
            d = PairwiseDistance(d.norm, d.eps, d.keepdim)
        return F.triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=d, **how)


class AdaptiveLogSoftmaxWithLoss(nn.AdaptiveLogSoftmaxWithLoss):
    """log p of each target: of its column of the head, plus, if that column is a cluster, of the target inside it."""

    __init__ = ours_inside(nn.AdaptiveLogSoftmaxWithLoss.__init__)

    @or_natively(nn.AdaptiveLogSoftmaxWithLoss.forward)
    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """
        Raises:
            RuntimeError: as PyTorch's: shapes that do not fit, a target that is not a class.
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
