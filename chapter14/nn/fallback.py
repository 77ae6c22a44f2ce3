"""What a module's layers do not take runs natively: nested and sparse tensors, subclasses, an option without a layer.

`audit` shows it. ReLU is left out: at 0 its derivative is the chapter's, and PyTorch's is another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import nn

from ..layer import all_dense
from . import (
    activation,
    arrange,
    attention,
    convolution,
    distance,
    dropout,
    embedding,
    linear,
    loss,
    loss_margin,
    norm,
    pad,
    pool,
    recurrent,
    resample,
    transformer,
    unfold,
)


def or_natively(forward: Callable[..., Any], native: Callable[..., Any]) -> Callable[..., Any]:
    """`forward`; and where that raises because it is not implemented, or not for such tensors, `native`."""

    @functools.wraps(forward)
    def f(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        try:
            return forward(self, *args, **kwargs)
        except (NotImplementedError, RuntimeError, TypeError) as error:
            tensors = (*args, *kwargs.values(), *self.parameters(), *self.buffers())
            if not isinstance(error, NotImplementedError) and all_dense(*tensors):
                raise
        return native(self, *args, **kwargs)

    return f


for _file in (
    activation, arrange, attention, convolution, distance, dropout, embedding, linear, loss, loss_margin, norm, pad,
    pool, recurrent, resample, transformer, unfold,
):  # fmt: skip
    for _name, _cls in vars(_file).items():
        _twin = getattr(nn, _name, None)
        if isinstance(_cls, type) and _cls is not _twin and _twin is not None and _name != "ReLU":
            _cls.forward = or_natively(_cls.forward, _twin.forward)  # type: ignore[attr-defined]
