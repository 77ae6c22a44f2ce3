"""L as an explicit matrix, and the backward pass as a product with it (section 14.3).

    L^x = ∂x_out/∂x_in      [|x_out| x |x_in|]      (14.6)
    L^θ = ∂x_out/∂θ         [|x_out| x |θ|]         (14.7)

Tensors are flattened to vectors, row by row: vec W = [W[0, 0], W[0, 1], ...]. A layer whose L has a closed form states
it as `L`, which is used; otherwise L is computed row by row, since the unit row vector e_i gives e_i L = L[i].
No layer computes its backward pass so: L is large, and mostly zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

import torch
from torch import Tensor

from .node import layer_of, saved
from .shape import ShapeError, in_words


def jacobian(f: Callable[..., Any], *inputs: Any) -> tuple[Tensor, ...]:
    """The explicit L of f, [|x_out| x |input|], with respect to each floating-point tensor among the inputs.

    Several output tensors are concatenated to one vector: so branch has L = [1, 1]^T, (14.45). If f has a method
    `jacobian`, as a `Chain` has, that is called instead.

    Raises:
        ValueError: no input is a floating-point tensor.
        TypeError: f returns anything but floating-point tensors.
    """
    if isinstance(own := getattr(f, "jacobian", None), MethodType):
        return own(*inputs)
    with torch.enable_grad():
        inputs = tuple(x.detach().requires_grad_() if _is_float(x) else x for x in inputs)
        leaves = [x for x in inputs if _is_float(x)]
        if not leaves:
            raise ValueError("jacobian: none of the inputs is a floating-point tensor, so there is no L.")
        x_out = f(*inputs)
    outputs = list(x_out) if isinstance(x_out, (tuple, list)) else [x_out]
    if not outputs or not all(_is_float(x) for x in outputs):
        given = ", ".join(in_words(x) for x in outputs)
        raise TypeError(f"jacobian: f returns floating-point tensors; it returned {given}.")
    closed = _closed_form(outputs, leaves)
    return _row_by_row(outputs, leaves) if closed is None else closed


def slow_backward(f: Callable[..., Any], g: Tensor | Sequence[Tensor], *inputs: Any) -> tuple[Tensor, ...]:
    """g_out L by the explicit L: what f's backward pass must equal. g [*x_out] → [*input] for each input of `jacobian`.

    (14.10) for x_in, (14.8) for θ. Where x_out is several tensors, so is g.

    Raises:
        ShapeError: g has more or fewer entries than x_out; and what `jacobian` raises.
    """
    Ls = jacobian(f, *inputs)
    g_out = torch.cat([g_i.reshape(-1) for g_i in ([g] if isinstance(g, Tensor) else g)])
    if len(g_out) != len(Ls[0]):
        raise ShapeError(f"slow_backward: g does not fit. x_out has {len(Ls[0])} entries; g was given {len(g_out)}.")
    leaves = [x for x in inputs if _is_float(x)]
    return tuple((g_out @ L).reshape(x.shape) for x, L in zip(leaves, Ls, strict=True))


def _is_float(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()


def _closed_form(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
    """L as the layer states it; None unless f is one such layer, applied to the leaves, and returns all its outputs."""
    node = outputs[0].grad_fn
    layer = layer_of(node)
    if node is None or layer is None or layer.L is None or any(x.grad_fn is not node for x in outputs):
        return None
    if [x.output_nr for x in outputs] != list(range(len(node._input_metadata))):
        return None
    sources = [getattr(before, "variable", None) for before, _ in node.next_functions]
    if not all(any(source is x for x in leaves) for source in sources):
        return None
    stated = zip(layer.L(*saved(node)), node.needs_input_grad, strict=False)  # type: ignore[attr-defined]
    Ls = [L.detach().to(outputs[0]) for L, need in stated if need and L is not None]
    return tuple(
        sum((L for L, source in zip(Ls, sources, strict=True) if source is x), Ls[0].new_zeros(len(Ls[0]), x.numel()))
        for x in leaves
    )


def _row_by_row(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """L[i] = e_i L, for each entry i of x_out: e_i is the gradient of x_out[i]."""
    rows: list[list[Tensor]] = [[] for _ in leaves]
    for x_out in outputs:
        for i in range(x_out.numel()):
            for row, g, x in zip(rows, _gradients(x_out, i, leaves), leaves, strict=True):
                row.append(torch.zeros_like(x).reshape(-1) if g is None else g.reshape(-1))
    return tuple(torch.stack(row) if row else x.new_zeros(0, x.numel()) for row, x in zip(rows, leaves, strict=True))


def _gradients(x_out: Tensor, i: int, leaves: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if not x_out.requires_grad:
        return [None] * len(leaves)
    with torch.enable_grad():  # of one entry, and not of x_out given e_i: for that PyTorch imports sympy
        entry = x_out.reshape(-1)[i]
    return torch.autograd.grad(entry, leaves, retain_graph=True, allow_unused=True)
