"""Which tensors a layer takes: dense ones, of a class that computes as `Tensor` does."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

#: The classes of nearly all tensors, which need no closer look.
PLAIN = Tensor, torch.nn.Parameter


class NotDense(NotImplementedError):
    """A tensor that is sparse, nested or quantized, or of a class that computes in its own way."""


def check_dense(layer: str, x: Tensor) -> None:
    """Checks that x is a dense tensor of a class that computes as `Tensor` does.

    Raises:
        NotDense: x is sparse, nested or quantized, or of a class that computes in its own way, as DTensor.
    """
    if type(x) not in PLAIN and not _computes_as_tensor(type(x)):
        raise NotDense(f"{layer}: it takes dense tensors; it was given a {type(x).__name__}.")
    if x.layout is not torch.strided or x.is_nested or x.is_quantized:
        what = "nested" if x.is_nested else "quantized" if x.is_quantized else str(x.layout)
        raise NotDense(f"{layer}: it takes dense tensors; it was given one that is {what}.")


def all_dense(*tensors: Any) -> bool:
    try:
        for x in tensors:
            if isinstance(x, Tensor):
                check_dense("", x)
    except NotDense:
        return False
    return True


@functools.cache
def _computes_as_tensor(cls: type[Tensor]) -> bool:
    """Whether a subclass changes nothing that is computed. PyTorch's FakeTensor stands for a plain tensor."""
    traced = cls.__module__.startswith("torch._subclasses")
    return traced or (has_default_torch_function(cls) and cls.__torch_dispatch__ is Tensor.__torch_dispatch__)


_DEFAULT: Any = Tensor.__torch_function__.__func__  # type: ignore[attr-defined]


def has_default_torch_function(cls: type) -> bool:
    f: Any = cls.__torch_function__  # type: ignore[attr-defined]
    return f is torch._C._disabled_torch_function_impl or getattr(f, "__func__", f) is _DEFAULT
