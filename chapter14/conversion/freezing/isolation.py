"""A trace leaves no mark: it runs a copy of the model, restores the random state, and sees no modes of the caller's."""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.overrides import _pop_mode_temporarily

from ..copying import copied


@contextmanager
def isolated() -> Iterator[None]:
    """Without any recorder, torch function mode or torch.func transform that is active outside."""
    with ExitStack() as modes:
        modes.enter_context(temporarily_clear_interpreter_stack())
        for _ in range(torch._C._len_torch_function_stack()):
            modes.enter_context(_pop_mode_temporarily())
        yield


@contextmanager
def random_state_restored(device: torch.device) -> Iterator[Callable[[], bool]]:
    """Restore all random states afterwards. Yields a function that says whether a random number was drawn."""
    generators: list[tuple[Any, Any]] = [(torch.get_rng_state, torch.set_rng_state), (random.getstate, random.setstate)]
    if device.type == "cuda":
        generators.append((lambda: torch.cuda.get_rng_state(device), lambda s: torch.cuda.set_rng_state(s, device)))
    if "numpy" in sys.modules:
        numpy_random = sys.modules["numpy"].random
        generators.append((numpy_random.get_state, numpy_random.set_state))
    before = [state() for state, _ in generators]

    def drawn() -> bool:
        return any(_bytes(state()) != _bytes(then) for (state, _), then in zip(generators, before, strict=True))

    try:
        yield drawn
    finally:
        for state, (_, restore) in zip(before, generators, strict=True):
            restore(state)


def _bytes(state: Any) -> Any:
    return state.numpy().tobytes() if isinstance(state, Tensor) else pickle.dumps(state)


def working_copy(model: nn.Module) -> tuple[nn.Module, dict[int, Tensor]]:
    """A copy of the model that may change its state, and the model's own tensors by the ids of their copies.

    Parameters are shared; everything else is in new memory.
    """
    copies: dict[int, Any] = {id(p): p for p in model.parameters()}
    model_copy = copied(model, memo=copies)
    tensors = [t for module in model.modules() for t in _tensors(vars(module))]
    return model_copy, {id(copies[id(t)]): t for t in tensors if id(t) in copies}


def _tensors(held: Any) -> Iterator[Tensor]:
    """The tensors in nested containers."""
    if isinstance(held, Tensor):
        yield held
    elif isinstance(held, dict):
        yield from _tensors(list(held.values()))
    elif isinstance(held, list | tuple | set):
        for value in held:
            yield from _tensors(value)


_PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device, torch.memory_format)


def is_plain(value: Any) -> bool:
    """Whether a value is immutable and holds no other object."""
    return type(value) in _PLAIN


def attributes(held: Any, depth: int = 4) -> Any:
    """A snapshot of an object's attributes: plain values, the identity of other objects, and their attributes in turn.

    Two snapshots are equal if nothing was changed in between.
    """
    if is_plain(held):
        return held
    if isinstance(held, nn.Module | Tensor) or depth == 0:
        return _Identity(held)
    if isinstance(held, dict):
        return [(attributes(k, depth - 1), attributes(v, depth - 1)) for k, v in held.items()]
    if isinstance(held, list | tuple | set | frozenset):
        return [attributes(v, depth - 1) for v in held]
    inside = getattr(held, "__dict__", None)
    return _Identity(held), attributes(inside, depth - 1) if type(inside) is dict else None


class _Identity:
    """Compares by identity, and keeps the object alive so that no other takes its address."""

    def __init__(self, held: Any):
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.held is other.held

    __hash__ = None  # type: ignore[assignment]
