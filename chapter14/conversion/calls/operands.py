"""Operands as torch takes them: numbers and tensors, of any dtypes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...layer import cast


def of_numbers(twin: Callable) -> Callable:
    """A decorator: the twin is for real and complex tensors. Whole numbers have no gradient, so they stay native, as
    does what is to become of that kind: NotImplemented says so. NumPy's words for `dim` and `keepdim`, which torch
    takes too, become torch's."""
    return _of(twin, complex_too=True)


def of_reals(twin: Callable) -> Callable:
    """As `of_numbers`, and complex tensors and numbers stay native too."""
    return _of(twin, complex_too=False)


def _of(twin: Callable, complex_too: bool) -> Callable:
    @functools.wraps(twin)
    def f(*args: Any, **kwargs: Any) -> Any:
        inexact = False
        for x in (*args, *kwargs.values()):
            if isinstance(x, Tensor):
                if x.is_floating_point():
                    inexact = True
                elif x.is_complex():
                    if not complex_too:
                        return NotImplemented
                    inexact = True
            elif isinstance(x, complex) and not complex_too:
                return NotImplemented
        if not inexact:
            return NotImplemented
        dtype = kwargs.get("dtype")  # of the result
        if dtype is not None and not (dtype.is_floating_point or (dtype.is_complex and complex_too)):
            return NotImplemented
        if "axis" in kwargs or "keepdims" in kwargs:
            kwargs = {{"axis": "dim", "keepdims": "keepdim"}.get(name, name): x for name, x in kwargs.items()}
        return twin(*args, **kwargs)

    return f


def promoted(*operands: Any) -> tuple[Any, ...]:
    """The tensors among them in the dtype that torch gives the result; numbers as they are."""
    dtypes = {x.dtype if isinstance(x, Tensor) else type(x) for x in operands}
    if len(dtypes - {int, float}) == 1 and (len(dtypes) == 1 or _is_inexact(next(iter(dtypes - {int, float})))):
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
        [_of_number(x) for x in operands if not isinstance(x, Tensor)],
    ):
        for dtype in dtypes[1:]:
            dtypes[0] = torch.promote_types(dtypes[0], dtype)
        if dtypes and (result is None or _kind(dtypes[0]) > _kind(result)):
            result = dtypes[0] if result is None or not result.is_floating_point else result.to_complex()
    assert result is not None
    return result


_OF_NUMBERS = {bool: torch.bool, int: torch.int64}


def _of_number(x: Any) -> torch.dtype:
    dtype = _OF_NUMBERS.get(type(x)) or torch.get_default_dtype()
    return dtype.to_complex() if isinstance(x, complex) else dtype


def _kind(dtype: torch.dtype) -> int:
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else dtype != torch.bool


def _is_inexact(dtype: Any) -> bool:
    return isinstance(dtype, torch.dtype) and (dtype.is_floating_point or dtype.is_complex)


def tensors(*operands: Any) -> tuple[Tensor, ...]:
    """As `promoted`, with numbers as tensors too."""
    operands = promoted(*operands)
    like = next(x for x in operands if isinstance(x, Tensor))
    return tuple(x if isinstance(x, Tensor) else like.new_tensor(x) for x in operands)
