"""Recording a network (section 14.6.5): while a `Recorder` is active, layers report their calls to it, not to autograd.

It is a torch function mode too, so that torch functions, such as those that make a mask of x, are recorded as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from torch import nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

#: The active ones, on any thread. Mostly there is none, and the check of this list is all the overhead.
AT_WORK: list[Recorder] = []

F = TypeVar("F", bound=Callable[..., Any])


class Recorder(TorchFunctionMode):
    """`layer` and `function` compute and record a call."""

    #: True while a layer computes, which is not recorded.
    paused = False

    def __enter__(self) -> Any:
        AT_WORK.append(self)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        AT_WORK.remove(self)
        super().__exit__(*error)

    @contextmanager
    def unrecorded(self) -> Iterator[None]:
        before, self.paused = self.paused, True
        try:
            yield
        finally:
            self.paused = before

    def layer(self, layer: Any, inputs: Sequence[Any]) -> Any:
        raise NotImplementedError

    def function(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        raise NotImplementedError

    def module(self, module: Any, run: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Records the call of a converted module: `run` computes it."""
        return run(*args, **kwargs)

    def learns(self, x: Any) -> bool:
        """`bitmask.learns` of x, which has no graph here; False where the recorder does not tell."""
        return False

    def put(self, x: Any, y: Any) -> Any:
        """Records that y is written into x."""
        raise NotImplementedError


def recorder() -> Recorder | None:
    """The active recorder of this thread."""
    for mode in reversed(_get_current_function_mode_stack()):
        if isinstance(mode, Recorder):
            return None if mode.paused else mode
    return None


@contextmanager
def following(model: Any, inside: list[str]) -> Iterator[None]:
    """Hooks keep the name of the running module at the end of `inside`. A `sealed` module counts as one."""
    with ExitStack() as hooks:
        for name, module in _seen(model, "") if isinstance(model, nn.Module) else ():
            enter = module.register_forward_pre_hook(lambda *_, name=name: inside.append(name))
            leave = module.register_forward_hook(lambda *_: inside.__delitem__(-1), always_call=True)
            hooks.callback(enter.remove)
            hooks.callback(leave.remove)
        yield


def _seen(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Each module once, by its first name."""
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
    """A function without a gradient, recorded as one call and not as the calls inside it."""

    @functools.wraps(f)
    def called(*args: Any) -> Any:
        if AT_WORK and (listening := recorder()) is not None:
            return listening.function(called, args)
        return f(*args)

    return called  # type: ignore[return-value]
