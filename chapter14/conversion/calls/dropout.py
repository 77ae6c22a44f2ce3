"""Dropout, as torch itself calls it: nothing but x, p and `train` is said, and all of it."""

from __future__ import annotations

from torch import Tensor

from ... import functional as F
from ..table import stands_for


def _stands_for(name: str) -> None:
    twin = getattr(F, name)

    @stands_for(f"_VF.{name}")  # torch's; that of torch.nn.functional has its own signature
    def dropout(input: Tensor, p: float, train: bool) -> Tensor:
        return twin(input, p, train)


for _name in ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"):
    _stands_for(_name)
