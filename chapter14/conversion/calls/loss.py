"""Losses and distances as `torch` has them, beside `torch.nn.functional`: there, a reduction is a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ... import functional as F
from ...layers.arithmetic import minus
from ...layers.arrange import reshape
from ...layers.distance import Length
from ...layers.loss import REDUCTIONS, in_one_shape
from ...layers.loss_likelihood import KlDiv
from ..table import stands_for
from .arithmetic import promoted

stands_for("cdist")(F.cdist)


@stands_for("dist")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """|input - other| of all entries, broadcast."""
    d = minus(*promoted(input, other))
    return reshape(Length.of(reshape(d, (d.numel(),)), p, 0), ())


@stands_for("_VF.kl_div")
def kl_div(input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False) -> Tensor:
    """As `functional.kl_div`, without its warning about the mean."""
    return KlDiv.of(*in_one_shape(input, target), REDUCTIONS[reduction], log_target)


@stands_for("nn.functional.triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, **options: Any,
) -> Tensor:  # fmt: skip
    """Its distance is anybody's, and goes to the twins too."""
    from ..by_hand import by_hand  # which imports this

    def distance(a: Tensor, b: Tensor) -> Tensor:
        with by_hand():
            return (distance_function or F.pairwise_distance)(a, b)

    return F.triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=distance, **options)


def _by_number(name: str, *parameters: str) -> None:
    """torch.`name`, of these parameters in this order, is the loss of that name."""
    loss: Callable[..., Tensor] = getattr(F, name)

    def call(*args: Any, **kwargs: Any) -> Tensor:
        given = dict(zip(parameters, args, strict=False)) | kwargs
        return loss(**given | {"reduction": REDUCTIONS[given.get("reduction", 1)]})

    stands_for(f"_VF.{name}")(call)


_by_number("binary_cross_entropy_with_logits", "input", "target", "weight", "pos_weight", "reduction")
_by_number("cosine_embedding_loss", "input1", "input2", "target", "margin", "reduction")
_by_number("ctc_loss", "log_probs", "targets", "input_lengths", "target_lengths", "blank", "reduction", "zero_infinity")
_by_number("hinge_embedding_loss", "input", "target", "margin", "reduction")
_by_number("margin_ranking_loss", "input1", "input2", "target", "margin", "reduction")
_by_number("poisson_nll_loss", "input", "target", "log_input", "full", "eps", "reduction")
_by_number("triplet_margin_loss", "anchor", "positive", "negative", "margin", "p", "eps", "swap", "reduction")
