"""What can be checked, as a `Case`: a Layer, a torch.autograd.Function, a custom operator, a module, a function."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.func import functional_call

from ..layer.base import Layer
from .case import Case, Draw
from .raw_backward import argument_names, forward_of, functions_of, names_of_function

#: The sizes of the letters of shapes in words, in their order; "B", the batch, has the size that is asked for.
SIZES = (4, 5, 2, 6, 7, 8, 9, 10, 11)

Inputs = tuple | str | Callable[[Draw, int], tuple]


def make_case(f: Any, inputs: Inputs, like: Callable | None = None, on_purpose: str = "", device: str = "cpu") -> Case:
    """The case for the arguments of `check`.

    Raises:
        TypeError: f is none of these, or there is no floating-point input.
        ValueError: shapes in words that are none.
    """
    f = getattr(f, "__self__", f) if getattr(f, "__name__", None) == "apply" else f  # Function.apply → Function
    draw = from_words(inputs) if isinstance(inputs, str) else inputs if callable(inputs) else _fixed(tuple(inputs))
    title, kind = getattr(f, "__name__", type(f).__name__), f if isinstance(f, type) else type(None)
    if issubclass(kind, Layer):
        case = Case(f.of, like or f.forward, draw, title=title, names=argument_names(f.forward))
        return replace(case, on_purpose=on_purpose, device=device)
    if issubclass(kind, Function):
        case = Case(f.apply, like, draw, title=title, names=names_of_function(f), forward=forward_of(f))
    elif isinstance(f, nn.Module):
        case = _of_module(f, draw, like)
    elif not callable(f) or isinstance(f, type):
        raise TypeError(
            "check: f must be a Layer, a torch.autograd.Function, an operator, a module, or a function of tensors; "
            f"got {f!r}."
        )
    elif (schema := schema_of(f)) is not None:
        case = Case(f, like, draw, title=schema.name, names=[a.name for a in schema.arguments])
    else:
        case = Case(f, like, draw, title=title, names=argument_names(f))
    return _examined(replace(case, on_purpose=on_purpose, device=device))


def _examined(case: Case) -> Case:
    """The case, with what a first call shows: the Functions in it, and in which dtype it runs."""
    found: dict[torch.dtype, list[type[Function]]] = {}
    for dtype in (torch.float64, torch.float32):
        with suppress(Exception):  # which the checks report
            x_out = case.ours(*case.draw(dtype=dtype))
            outputs = [t for t in (x_out if isinstance(x_out, tuple | list) else [x_out]) if t.requires_grad]
            found[dtype] = functions_of(outputs)
            break
    if not found:
        return case
    ((dtype, functions),) = found.items()
    title = functions[0].__name__ if functions and case.title == "<lambda>" else case.title
    made_of_layers = bool(functions) and all(hasattr(function, "layer") for function in functions)
    return replace(case, dtype=dtype, title=title, is_layer=made_of_layers)


def schema_of(f: Any) -> Any:
    """The schema of an operator of `torch.library`, or of `torch.ops`; None of anything else."""
    overload = getattr(f, "_opoverload", None) or getattr(f, "default", f)
    return getattr(overload, "_schema", None)


def _of_module(module: nn.Module, draw: Callable, like: Callable | None) -> Case:
    """A module as a function of its inputs and its parameters."""
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    count = len(parameters)

    def called(f: nn.Module) -> Callable:
        def call(*inputs_and_parameters: Any) -> Any:
            inputs = inputs_and_parameters[: len(inputs_and_parameters) - count]
            values = dict(zip(parameters, inputs_and_parameters[len(inputs) :], strict=True))
            like = next((t for t in inputs_and_parameters if isinstance(t, Tensor) and t.is_floating_point()), None)
            here = {
                name: t.detach().to(like) if like is not None and t.is_floating_point() else t.clone()
                for name, t in buffers.items()
            }
            return functional_call(f, values | here, inputs)

        return call

    def with_parameters(draw_: Draw, n: int) -> tuple:
        given = draw_(1)
        return *draw(draw_, n), *[p.detach().to(given).clone().requires_grad_() for p in parameters.values()]

    names = (*argument_names(module.forward), *parameters)
    reference = called(like) if isinstance(like, nn.Module) else like
    return Case(called(module), reference, with_parameters, title=type(module).__name__, names=names)


def from_words(words: str) -> Callable[[Draw, int], tuple]:
    """How to draw inputs whose shapes are given in words: "B N, M N, M"; "" between commas is a single number.

    Raises:
        ValueError: an axis is neither a letter nor a number.
    """
    shapes = [shape.split() for shape in words.split(",")]
    axes = list(dict.fromkeys(axis for shape in shapes for axis in shape))
    if wrong := [axis for axis in axes if not (axis.isidentifier() or axis.isdigit())]:
        raise ValueError(f"check: {wrong[0]!r} is no axis. Shapes in words are letters or numbers: 'B N, M N, M'.")
    letters = [axis for axis in axes if not axis.isdigit() and axis != "B"]
    sizes = dict(zip(letters, itertools.chain(SIZES, itertools.count(12)), strict=False))
    sizes |= {axis: int(axis) for axis in axes if axis.isdigit()}
    return lambda draw, n: tuple(draw(*[(sizes | {"B": n})[axis] for axis in shape]) for shape in shapes)


def _fixed(inputs: tuple) -> Callable[[Draw, int], tuple]:
    """A function that gives the same inputs for every n, in the dtype of the draw."""
    tensors = [t for t in inputs if isinstance(t, Tensor) and t.is_floating_point()]
    if not tensors:
        raise TypeError("check: no floating-point tensor among the inputs, so there is no gradient to check.")
    with_grad = {id(t) for t in tensors if t.requires_grad} or {id(t) for t in tensors}

    def copies(draw: Draw, n: int) -> tuple:
        def copy(t: Any) -> Any:
            if not any(t is s for s in tensors):
                return t
            return t.detach().to(draw(1)).clone().requires_grad_(id(t) in with_grad)

        return tuple(copy(t) for t in inputs)

    return copies
