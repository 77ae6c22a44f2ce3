"""The native fallback of a module: nested and sparse tensors, tensor subclasses, and options that no layer implements.

`audit` reports such calls. ReLU has no fallback: its derivative at 0 is the chapter's, and PyTorch's is another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from ..layer.accepted_tensors import all_dense

Forward = TypeVar("Forward", bound=Callable[..., Any])


def or_natively(native: Callable[..., Any]) -> Callable[[Forward], Forward]:
    """A decorator of a forward. Where it raises NotImplementedError, or RuntimeError or TypeError with a tensor that is
    not dense, `native` is called instead."""

    def decorate(forward: Forward) -> Forward:
        @functools.wraps(forward)
        def f(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
            try:
                return forward(self, *args, **kwargs)
            except (NotImplementedError, RuntimeError, TypeError) as error:
                tensors = (*args, *kwargs.values(), *self.parameters(), *self.buffers())
                if not isinstance(error, NotImplementedError) and all_dense(*tensors):
                    raise
            return native(self, *args, **kwargs)

        return f  # type: ignore[return-value]

    return decorate
