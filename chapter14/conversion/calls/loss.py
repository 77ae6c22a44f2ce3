"""Losses and distances as `torch` has them, beside `torch.nn.functional`: there, a reduction is a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ... import functional as F
from ...layers.loss.likelihood import KlDiv
from ...layers.loss.loss import REDUCTIONS, in_one_shape
from ..table import TWINS, stands_for

stands_for("cdist")(F.cdist)


@stands_for("_VF.kl_div")
def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """As `functional.kl_div`, without its warning about the mean."""
    return KlDiv.of(*in_one_shape(input, target), REDUCTIONS[reduction], log_target)


#: Its distance is anybody's. The function is opened instead, and what that distance calls goes to the twins too.
del TWINS[torch.nn.functional.triplet_margin_with_distance_loss]


def _by_number(name: str, *parameters: str) -> None:
    """torch.`name`, of these parameters in this order, is the loss of that name. By default it is not reduced."""
    loss: Callable[..., Tensor] = getattr(F, name)

    def call(*args: Any, **kwargs: Any) -> Tensor:
        given = dict(zip(parameters[: len(args)], args, strict=True)) | kwargs
        return loss(**given | {"reduction": REDUCTIONS[given.get("reduction", 0)]})

    stands_for(f"_VF.{name}")(call)


_by_number("binary_cross_entropy_with_logits", "input", "target", "weight", "pos_weight", "reduction")
_by_number("cosine_embedding_loss", "input1", "input2", "target", "margin", "reduction")
_by_number("ctc_loss", "log_probs", "targets", "input_lengths", "target_lengths", "blank", "reduction", "zero_infinity")
_by_number("hinge_embedding_loss", "input", "target", "margin", "reduction")
_by_number("margin_ranking_loss", "input1", "input2", "target", "margin", "reduction")
_by_number("poisson_nll_loss", "input", "target", "log_input", "full", "eps", "reduction")
_by_number("triplet_margin_loss", "anchor", "positive", "negative", "margin", "p", "eps", "swap", "reduction")
