"""What a call of PyTorch's that is no layer does: whether it writes, draws, or lets Python see what is in a tensor."""

from __future__ import annotations

import operator
from typing import Any

from torch import Tensor

#: What gives Python a number that is a tensor's, and what has a shape that depends on a tensor's values.
READS = frozenset(
    "item tolist numpy __bool__ __int__ __float__ __index__ __complex__ equal allclose is_nonzero".split()
)
SHAPES = frozenset("nonzero argwhere unique unique_consecutive masked_select bincount".split())
_DRAWS = frozenset(
    "bernoulli multinomial normal poisson rand rand_like randint randint_like randn randn_like randperm".split()
)


def draws(name: str) -> bool:
    return name.removesuffix("_") in _DRAWS


def writes(name: str) -> bool:
    """Whether its first argument is written into: `x[i] = y`, `x += y`, `x.add_(y)`."""
    if name.startswith("__"):
        return name == "__setitem__" or (name.startswith("__i") and name not in ("__invert__", "__index__", "__int__"))
    return name.endswith("_")


def as_fx_calls(f: Any, name: str, args: tuple) -> tuple[Any, tuple]:
    """f and its arguments where fx can print them: a method by its name, a property by `getattr`."""
    if name == "__get__":
        return getattr, (args[0], getattr(f.__self__, "__name__", ""))
    if name == "__getitem__":
        return operator.getitem, args
    if name == "__setitem__":
        return operator.setitem, args
    return (name if getattr(Tensor, name, None) is f else f), args
