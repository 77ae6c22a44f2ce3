"""torch's constructors make torch's modules inside; here they become ours, with the same parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from .attention import MultiheadAttention
from .linear import Linear
from .mirror import Dropout, LayerNorm

Init = TypeVar("Init", bound=Callable[..., None])

#: A class that torch's constructors make -> ours. transformer.py adds its own.
OURS: dict[type | None, type] = {cls.__base__: cls for cls in (Dropout, LayerNorm, Linear, MultiheadAttention)}


def ours_inside(init: Init, *parts: str) -> Init:
    """`init`, after which the modules inside are ours; with `parts`, those inside these attributes of torch's own
    classes alone."""

    @functools.wraps(init)
    def f(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        given = [getattr(self, name) for name in parts]
        for part in [part for part in given if type(part).__module__.startswith("torch.nn.")] if parts else [self]:
            for inner in part.modules():
                if ours := OURS.get(type(inner)):
                    inner.__class__ = ours

    return f  # type: ignore[return-value]
