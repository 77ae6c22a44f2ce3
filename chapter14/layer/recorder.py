"""Who listens while a network is written down (section 14.6.5): layers tell a `Recorder` of their calls, not autograd.

It is a torch function mode too, so that what is no layer, as a mask that is made of x, is heard of as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from torch import nn
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

    def module(self, module: Any, run: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """A converted module is called: `run` is what it does."""
        return run(*args, **kwargs)

    def put(self, x: Any, y: Any) -> Any:
        """y, where x lies: what x is from now on."""
        raise NotImplementedError


def recorder() -> Recorder | None:
    """The one that listens on this thread."""
    for mode in reversed(_get_current_function_mode_stack()):
        if isinstance(mode, Recorder):
            return None if mode.paused else mode
    return None


@contextmanager
def following(model: Any, inside: list[str]) -> Iterator[None]:
    """`inside` ends with the name of the module of the model that runs, by hooks. A `sealed` module runs as one."""
    with ExitStack() as hooks:
        for name, module in _seen(model, "") if isinstance(model, nn.Module) else ():
            enter = module.register_forward_pre_hook(lambda *_, name=name: inside.append(name))
            leave = module.register_forward_hook(lambda *_: inside.__delitem__(-1), always_call=True)
            hooks.callback(enter.remove)
            hooks.callback(leave.remove)
        yield


def _seen(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Each once, by its first name."""
    seen: set[nn.Module] = set()
    ahead = [(name, module)]
    while ahead:
        name, module = ahead.pop(0)
        if module in seen:
            continue
        seen.add(module)
        yield name, module
        if not getattr(module, "sealed", False):
            inner = [(f"{name}.{child}" if name else child, m) for child, m in module.named_children()]
            ahead[:0] = inner


def as_one(f: F) -> F:
    """A function of what wants no gradient, that is noted as one call and not as what it consists of."""

    @functools.wraps(f)
    def called(*args: Any) -> Any:
        if AT_WORK and (listening := recorder()) is not None:
            return listening.function(called, args)
        return f(*args)

    return called  # type: ignore[return-value]
