"""Who listens while a network is written down (section 14.6.5): layers tell a `Recorder` of their calls, not autograd.

It is a torch function mode too, so that what is no layer, as a mask that is made of x, is heard of as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

#: Those at work, on any thread: while there is none, which is nearly always, nobody looks further.
AT_WORK: list[Recorder] = []

F = TypeVar("F", bound=Callable[..., Any])


class Recorder(TorchFunctionMode):
    """`layer` and `function` compute what they are asked for, and note that they did."""

    #: Inside a layer, where it computes.
    paused = False

    def __enter__(self) -> Any:
        AT_WORK.append(self)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        AT_WORK.remove(self)
        super().__exit__(*error)

    def layer(self, layer: Any, inputs: Sequence[Any]) -> Any:
        raise NotImplementedError

    def function(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        raise NotImplementedError

    def put(self, x: Any, y: Any) -> Any:
        """y, where x lies: what x is from now on."""
        raise NotImplementedError


def recorder() -> Recorder | None:
    """The one that listens on this thread."""
    for mode in reversed(_get_current_function_mode_stack()):
        if isinstance(mode, Recorder):
            return None if mode.paused else mode
    return None


def as_one(f: F) -> F:
    """A function of what wants no gradient, that is noted as one call and not as what it consists of."""

    @functools.wraps(f)
    def called(*args: Any) -> Any:
        if AT_WORK and (listening := recorder()) is not None:
            return listening.function(called, args)
        return f(*args)

    return called  # type: ignore[return-value]
