"""Sums, products and powers, as torch calls them: numbers and tensors, of any dtypes, broadcast."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from ...layer import cast
from ...layers.arithmetic import plus, scale, shift
from ..table import stands_for


def promoted(*operands: Any) -> tuple[Any, ...]:
    """The tensors among them in the dtype that torch gives the result; numbers as they are."""
    dtypes = {x.dtype if isinstance(x, Tensor) else type(x) for x in operands}
    if len(dtypes - {int, float}) == 1 and (len(dtypes) == 1 or next(iter(dtypes - {int, float})).is_floating_point):
        return operands  # as nearly always; and torch.compile does not take the general way
    dtype = functools.reduce(torch.promote_types, [torch.result_type(operands[0], x) for x in operands[1:]])
    return tuple(cast(x, dtype) if isinstance(x, Tensor) else x for x in operands)


@stands_for("add", "__add__", "__radd__")
def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha other."""
    a, b = promoted(input, other)
    if not isinstance(b, Tensor):
        return shift(a, alpha * b)
    if not isinstance(a, Tensor):
        return shift(b if alpha == 1 else scale(b, alpha), a)
    return plus(a, b if alpha == 1 else scale(b, alpha))
