"""Shapes in words, and the errors about a shape that does not fit."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor


class ShapeError(ValueError, RuntimeError):
    """A tensor does not fit its layer's equation. Both a ValueError and the RuntimeError that torch would raise."""


def in_words(value: Any) -> str:
    """`x` as an error names it: shape, and the dtype where it is not float32."""
    if not isinstance(value, Tensor):
        return repr(value)
    dtype = str(value.dtype).removeprefix("torch.")
    return f"{list(value.shape)}" + ("" if dtype == "float32" else f" {dtype}")


def was_given(**values: Any) -> str:
    """ "it was given x [2, 3], mode 'same'.": how an error ends; None is left out."""
    return f"it was given {', '.join(f'{name} {in_words(x)}' for name, x in values.items() if x is not None)}."


def misfit(axes: Mapping[str, str], inputs: Sequence[Any]) -> str | None:
    """The first input whose shape is not its axes, as in "... M N"; one letter is one size. None: all fit."""
    size: dict[str, int] = {}
    for (name, words), tensor in zip(axes.items(), inputs, strict=False):
        if not isinstance(tensor, Tensor):
            continue
        letters = words.removeprefix("...").split()
        shape = tensor.shape[max(tensor.ndim - len(letters), 0) :]
        fits = len(shape) == len(letters) and (tensor.ndim == len(letters) or words.startswith("..."))
        for letter, n in zip(letters, shape, strict=False):
            fits = fits and (letter == "*" or size.setdefault(letter, n) == n)
        if not fits:
            return name
    return None


def the_call(layer: str, axes: Mapping[str, str], inputs: Sequence[Any]) -> str:
    """What the layer expects and what it was given, in its own letters."""
    pairs = [(*of, value) for of, value in zip(axes.items(), inputs, strict=False) if value is not None]
    expects = ", ".join(f"{name} [{words.replace(' ', ', ')}]" for name, words, _ in pairs)
    return f"It expects {expects}; {was_given(**{name: value for name, _, value in pairs})}" if pairs else ""


def check_floating(layer: str, **tensors: Tensor) -> None:
    """Checks that the tensors are real or complex, not integer.

    Raises:
        NotImplementedError: one of them has integers, which have no mean and no gradient.
    """
    if not all(t.is_floating_point() or t.is_complex() for t in tensors.values()):
        raise NotImplementedError(f"{layer}: it expects floating-point tensors; {was_given(**tensors)}")


def check_real(layer: str, **tensors: Tensor | None) -> None:
    """Checks that no tensor is complex.

    Raises:
        NotImplementedError: one of them is complex.
    """
    if any(t is not None and t.is_complex() for t in tensors.values()):
        given = f"{was_given(**tensors)} Give it x.real and x.imag, or abs(x)."
        raise NotImplementedError(f"{layer}: it takes real numbers, and no complex ones; {given}")


def check_shapes(layer: str, **tensors: tuple[Tensor | None, str]) -> None:
    """Each tensor against its axes, as in "... M N".

    Raises:
        ShapeError: it repeats the call: what was expected, what was given.
    """
    axes = {name: words for name, (_, words) in tensors.items()}
    inputs = [tensor for tensor, _ in tensors.values()]
    if name := misfit(axes, inputs):
        raise ShapeError(f"{layer}: {name} does not fit. {the_call(layer, axes, inputs)}")


def several(value: Any) -> tuple[Any, ...]:
    """(n,) for one integer, (n, m, ...) for several. Each may be a tensor of one entry, as torch takes it."""
    if isinstance(value, int):
        return (value,)
    numbers = value if isinstance(value, Sequence) else (value,)
    integers = (int, torch.SymInt)  # not a union: the Dynamo of PyTorch 2.9 does not trace one
    return tuple(n if isinstance(n, integers) else operator.index(n) for n in numbers)


def axes(x: Tensor, dim: int | Sequence[int] | None) -> tuple[int, ...]:
    """The axes that `dim` names, counted from 0 and in order; None and () are all of them.

    Raises:
        IndexError: there is no such axis.
        RuntimeError: an axis is named twice.
    """
    dims = () if dim is None else several(dim)
    if not dims:
        return tuple(range(x.ndim))
    n = max(x.ndim, 1)
    for d in dims:
        if not -n <= d < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
    found = sorted(d % n for d in dims)
    for d, e in pairwise(found):
        if d == e:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return tuple(d for d in found if d < x.ndim)
