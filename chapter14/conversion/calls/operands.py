"""Arguments as torch takes them: numbers and tensors of mixed dtypes; sizes and tensors one by one or in a sequence."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...layer.base import cast
from ...layer.shape import several

Calls = dict[str, Callable]


def by_name(*functions: Callable, place: str = "") -> Calls:
    """The functions as calls of the same name, anywhere in torch or only in such a place: "special.", "linalg."."""
    return {place + f.__name__: f for f in functions}


def of_numbers(calls: Calls) -> Calls:
    """The calls, for real and complex tensors. Of integers and booleans alone, or with a result of such a dtype, a call
    has no gradient and returns NotImplemented. NumPy's `axis` and `keepdims` become `dim` and `keepdim`."""
    return {names: _of(f, complex_too=True) for names, f in calls.items()}


def of_reals(calls: Calls) -> Calls:
    """As `of_numbers`; and of complex tensors or numbers, each call returns NotImplemented."""
    return {names: _of(f, complex_too=False) for names, f in calls.items()}


def _of(f: Callable, complex_too: bool) -> Callable:
    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
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
        return f(*args, **kwargs)

    return call


def promoted(*operands: Any) -> tuple[Any, ...]:
    """The operands, each tensor cast to the dtype of torch's result; numbers unchanged."""
    dtypes = {x.dtype if isinstance(x, Tensor) else type(x) for x in operands}
    if len(dtypes - {int, float}) == 1 and (len(dtypes) == 1 or _is_inexact(next(iter(dtypes - {int, float})))):
        return operands  # the common case
    dtype = result_type(*operands)
    return tuple(cast(x, dtype) if isinstance(x, Tensor) else x for x in operands)


def result_type(*operands: Any) -> torch.dtype:
    """`torch.result_type` of any number of operands, in a form that torch.compile can trace.

    Tensors with axes decide the dtype, unless tensors without axes, or else numbers, are of a higher kind: complex
    above floating point above integer above bool."""
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
    """As `promoted`, and each number as a tensor."""
    operands = promoted(*operands)
    like = next(x for x in operands if isinstance(x, Tensor))
    return tuple(x if isinstance(x, Tensor) else like.new_tensor(x) for x in operands)


def on_tensors(layer: Callable[..., Tensor], *constants: Any) -> Callable[..., Tensor]:
    """The layer as a call of two operands, which become tensors of one dtype."""
    return lambda input, other: layer(*tensors(input, other), *constants)


def in_dtype(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    """x, cast where a dtype is given."""
    return x if dtype is None else cast(x, dtype)


def sizes(given: Sequence[Any], named: Any = None) -> tuple[int, ...]:
    """(2, 3) from f(2, 3), f((2, 3)) and f(size=(2, 3))."""
    if named is not None:
        given = (named,)
    return several(given[0] if len(given) == 1 and isinstance(given[0], Sequence) else given)


def each(given: Sequence[Any]) -> tuple[Tensor, ...]:
    """(x, y) from f(x, y) and f([x, y])."""
    return tuple(given[0]) if len(given) == 1 and not isinstance(given[0], Tensor) else tuple(given)


def with_dtype(layer: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The layer as a call that takes `dtype`, to which the input is cast first."""

    def call(input: Tensor, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Tensor:
        return layer(in_dtype(input, dtype), *args, **kwargs)

    return call
