"""Rows of a table, as torch calls them: the table first."""

from __future__ import annotations

from torch import Tensor

from ...layers.sequence.embedding import embedding as _embedding
from ..table import stands_for


@stands_for("_VF.embedding")
def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    padding = None if padding_idx == -1 else padding_idx
    return _embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)
