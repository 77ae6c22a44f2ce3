"""Operands as torch takes them: numbers and tensors, of any dtypes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...layer import cast


def of_reals(twin: Callable) -> Callable:
    """A decorator: the twin is for real tensors. Whole numbers have no gradient and complex ones another, so they stay
    native, as does what is to become of that kind: NotImplemented says so. NumPy's words for `dim` and `keepdim`, which
    torch takes too, become torch's."""

    @functools.wraps(twin)
    def f(*args: Any, **kwargs: Any) -> Any:
        operands = (*args, *kwargs.values())
        if not any(isinstance(x, Tensor) and x.is_floating_point() for x in operands):
            return NotImplemented
        if any(x.is_complex() if isinstance(x, Tensor) else isinstance(x, complex) for x in operands):
            return NotImplemented
        dtype = kwargs.get("dtype")
        if dtype is not None and not dtype.is_floating_point:  # of the result
            return NotImplemented
        if "axis" in kwargs or "keepdims" in kwargs:
            kwargs = {{"axis": "dim", "keepdims": "keepdim"}.get(name, name): x for name, x in kwargs.items()}
        return twin(*args, **kwargs)

    return f


def promoted(*operands: Any) -> tuple[Any, ...]:
    """The tensors among them in the dtype that torch gives the result; numbers as they are."""
    dtypes = {x.dtype if isinstance(x, Tensor) else type(x) for x in operands}
    if len(dtypes - {int, float}) == 1 and (len(dtypes) == 1 or next(iter(dtypes - {int, float})).is_floating_point):
        return operands  # as nearly always
    dtype = result_type(*operands)
    return tuple(cast(x, dtype) if isinstance(x, Tensor) else x for x in operands)


def result_type(*operands: Any) -> torch.dtype:
    """The dtype of tensors with axes; unless those without, or after these numbers, are of a higher kind, as floats are
    to integers. As `torch.result_type`, which takes only two, and which torch.compile does not take."""
    result = None
    for dtypes in (
        [x.dtype for x in operands if isinstance(x, Tensor) and x.ndim],
        [x.dtype for x in operands if isinstance(x, Tensor) and not x.ndim],
        [_OF_NUMBERS.get(type(x)) or torch.get_default_dtype() for x in operands if not isinstance(x, Tensor)],
    ):
        for dtype in dtypes[1:]:
            dtypes[0] = torch.promote_types(dtypes[0], dtype)
        if dtypes and (result is None or (not result.is_floating_point and _kind(dtypes[0]) > _kind(result))):
            result = dtypes[0]
    assert result is not None
    return result


_OF_NUMBERS = {bool: torch.bool, int: torch.int64}


def _kind(dtype: torch.dtype) -> int:
    return 2 if dtype.is_floating_point else dtype != torch.bool


def tensors(*operands: Any) -> tuple[Tensor, ...]:
    """As `promoted`, with numbers as tensors too."""
    operands = promoted(*operands)
    like = next(x for x in operands if isinstance(x, Tensor))
    return tuple(x if isinstance(x, Tensor) else like.new_tensor(x) for x in operands)
