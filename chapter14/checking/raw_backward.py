"""The gradients that `backward` returns, before autograd sums them to another shape or casts them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from ..layer.node import layer_of
from .case import Case, input_gradients, outputs_requiring_grad, requires_grad


@dataclass(frozen=True)
class RawCall:
    """One call of a `backward`: its node in the backward graph, and what it returned."""

    node: Any
    returned: tuple

    @property
    def inputs(self) -> list[tuple[int, Any, Any]]:
        """For each input that requires a gradient: its position, its shape, dtype and device, and its node."""
        edges = iter([edge for edge in self.node.next_functions if edge[0] is not None])
        positions = [i for i, needed in enumerate(self.node.needs_input_grad) if needed]
        return [(i, node._input_metadata[nr], node) for i, (node, nr) in zip(positions, edges, strict=False)]


def functions_of(x_out: Sequence[Tensor]) -> list[type[Function]]:
    """Every `torch.autograd.Function` in the backward graph, once."""
    ahead: list[Any] = [t.grad_fn for t in x_out]
    seen: set[Any] = set()
    found: dict[type[Function], None] = {}
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(type(node), "_forward_cls"):
            found[type(node)._forward_cls] = None
        ahead += [before for before, _ in node.next_functions]
    return list(found)


@contextmanager
def recorded(functions: Sequence[type[Function]]) -> Iterator[list[RawCall]]:
    """The calls of their `backward`, or `vjp`, inside of the block."""
    calls: list[RawCall] = []

    def recording(backward: Callable) -> Callable:
        def wrapper(ctx: Any, *gs: Any) -> Any:
            returned = backward(ctx, *gs)
            calls.append(RawCall(ctx, returned if isinstance(returned, tuple) else (returned,)))
            return returned

        return wrapper

    with ExitStack() as stack:
        for function in functions:
            name = "backward" if function.vjp is Function.vjp else "vjp"
            stack.callback(_restored, function, name, vars(function).get(name))
            setattr(function, name, staticmethod(recording(getattr(function, name))))
        yield calls


def _restored(function: type, name: str, before: Any) -> None:
    if before is None:
        delattr(function, name)
    else:
        setattr(function, name, before)


def argument_names(f: Callable) -> tuple[str, ...]:
    """The names of the positional arguments of f; () where it does not state them."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def names_of_function(function: type[Function]) -> tuple[str, ...]:
    """The names of the inputs of a Function: the arguments of its `forward`, without ctx."""
    names = argument_names(function.forward)
    return names if function.setup_context is not Function.setup_context else names[1:]


def forward_of(function: type[Function]) -> Callable:
    """The forward pass of a Function, as a function of its inputs that saves nothing."""
    if function.setup_context is not Function.setup_context:
        return function.forward
    return lambda *inputs: function.forward(NothingSaved(inputs), *inputs)


class NothingSaved:
    """In the place of a ctx: it takes what is saved, and forgets it."""

    def __init__(self, inputs: tuple):
        self.needs_input_grad = tuple(requires_grad(t) for t in inputs)

    def save_for_backward(self, *tensors: Tensor | None) -> None: ...

    save_for_forward = mark_dirty = mark_non_differentiable = save_for_backward

    def set_materialize_grads(self, value: bool) -> None: ...


@dataclass(frozen=True)
class Misfits:
    """What does not fit of the gradients that a `backward` returns: their count, shapes and devices; their dtypes."""

    shapes: list[str]
    dtypes: list[str]

    def __bool__(self) -> bool:
        return bool(self.shapes or self.dtypes)


def misfits_of_raw_gradients(case: Case, dtype: torch.dtype) -> Misfits:
    """What does not fit of the gradients of a `backward`; where there are several Functions, of the first that errs."""
    inputs = case.draw(dtype=dtype)
    x_out = outputs_requiring_grad(case.ours, inputs)
    with recorded(functions_of(x_out)) as calls:
        try:
            input_gradients(x_out, inputs)
        except RuntimeError:  # of autograd, about a shape; or of `backward`
            if not any(_misfits(call, case.names).shapes for call in calls):  # another dtype raises nothing
                raise
    return next((wrong for call in calls if (wrong := _misfits(call, case.names))), Misfits([], []))


def _misfits(call: RawCall, names: Sequence[str]) -> Misfits:
    """What does not fit of one call. `names`: those of the inputs, if its Function names none."""
    expected, layer = len(call.node.needs_input_grad), layer_of(call.node)
    names = (argument_names(layer.forward) if layer else names_of_function(type(call.node)._forward_cls)) or names
    if len(call.returned) < expected or any(g is not None for g in call.returned[expected:]):
        return Misfits([f"backward returns {len(call.returned)} gradients for {expected} inputs"], [])
    shapes, dtypes = [], []
    for i, x, _ in call.inputs:
        name, g = names[i] if i < len(names) else f"input {i}", call.returned[i]
        if g is None:
            continue
        if not isinstance(g, Tensor):
            shapes.append(f"dJ/d{name} is {g!r}, and no tensor")
        elif g.shape != torch.Size(x.shape):
            shapes.append(f"dJ/d{name} {_shape_misfit(g.shape, torch.Size(x.shape), name)}")
        elif g.dtype != x.dtype:
            dtypes.append(f"dJ/d{name} is {g.dtype}, and {name} is {x.dtype}")
        elif g.device != x.device:
            shapes.append(f"dJ/d{name} is on {g.device}, and {name} is on {x.device}")
    return Misfits(shapes, dtypes)


def _shape_misfit(given: torch.Size, expected: torch.Size, name: str) -> str:
    shapes = f"its shape is {list(given)}, and {name} is {list(expected)}"
    lead = len(given) - len(expected)
    if lead < 0 or any(m not in (n, 1) for m, n in zip(expected, given[lead:], strict=True)):
        return f"does not fit: {shapes}"
    axes = [i for i, n in enumerate(given) if i < lead or expected[i - lead] != n]
    return (
        f"is not summed over {'axis' if len(axes) == 1 else 'axes'} {', '.join(map(str, axes))}, where {name} branches "
        f"(14.46): {shapes}. Autograd sums it, unasked"
    )
