"""Sums of products along named axes: torch.einsum. Every contraction of two tensors is one matrix product.

    "bij,bjk->bik"      x_out[b, i, k] = sum_j x[b, i, j] y[b, j, k]

A letter is an axis. If both x and y have it, it is a batch axis where the output has it (b), else it is summed over
(j); if only x or only y has it, it is a row (i) or a column (k). So axes are permuted and joined, to [b, i, j] and [b,
j, k], and multiplied by a layer. Its backward pass is another einsum, with x_out in the place of x or y.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...layer.shape import ShapeError, in_words
from ..core.arithmetic import times
from ..core.arrange import permute, reshape
from ..core.branch import sum_to_size
from ..core.cast import clone
from ..core.view import diagonal
from .matmul import MatMul

#: Each a letter, a number from the sublist form, or ("...", k), the k-th axis from the last of the ellipsis.
Axes = list[Any]


def einsum(*args: Any) -> Tensor:
    """("bij,bjk->bik", x, y), or (x, [0, 1, 2], y, [0, 2, 3], [0, 1, 3]), as `torch.einsum`.

    Raises:
        ShapeError: the tensors do not have the axes of the equation.
    """
    equation, operands, output = _parsed(args)
    axes = [_of_ellipsis(words, x.ndim, equation) for words, x in zip(equation, operands, strict=True)]
    rest = sorted({a for words in axes for a in words if type(a) is tuple}, reverse=True)
    if output is None:
        letters = [a for words in axes for a in words if type(a) is not tuple]
        output = [..., *sorted(a for a in set(letters) if sum(a == b for b in letters) == 1)]
    keep = [b for a in output for b in (rest if a is ... else [a])]
    size = _sizes(axes, operands)
    if len({*keep}) < len(keep) or any(a not in size for a in keep):
        raise ShapeError(f"einsum: the output has an axis twice, or one that no operand has: {_in_letters(output)}.")

    (x, x_axes), *others = (_once_each(x, words, size) for x, words in zip(operands, axes, strict=True))
    for i, (y, y_axes) in enumerate(others):
        later = {a for _, words in others[i + 1 :] for a in words}
        x, x_axes = _contract(x, x_axes, y, y_axes, later.union(keep))
    if not others and any(size[a] == 1 for a in axes[0] if a not in keep):
        # a sum over one entry also has its own memory, and the dtype of a sum
        x = clone(x, torch.contiguous_format) if x.is_floating_point() or x.is_complex() else x.long()
    x, x_axes = _summed(x, x_axes, {*keep})
    x = reshape(x, (*x.shape, *(1 for a in keep if a not in x_axes)))  # of size 1 in every operand
    x_axes = [*x_axes, *(a for a in keep if a not in x_axes)]
    return permute(x, [x_axes.index(a) for a in keep]) if x_axes != keep else x


def _contract(x: Tensor, x_axes: Axes, y: Tensor, y_axes: Axes, keep: set) -> tuple[Tensor, Axes]:
    """The product of x and y, summed over all axes but `keep`, and its axes."""
    x, x_axes = _summed(x, x_axes, keep.union(y_axes))
    y, y_axes = _summed(y, y_axes, keep.union(x_axes))
    both = [a for a in x_axes if a in y_axes]
    b, j = [a for a in both if a in keep], [a for a in both if a not in keep]
    i, k = [a for a in x_axes if a not in both], [a for a in y_axes if a not in both]
    x, y = _ordered(x, x_axes, b + i + j), _ordered(y, y_axes, b + j + k)
    B, I, J = x.shape[: len(b)], x.shape[len(b) : len(b) + len(i)], x.shape[len(b) + len(i) :]
    K = y.shape[len(both) :]
    if not j:
        x_out = times(reshape(x, (*B, *I, *(1 for _ in K))), reshape(y, (*B, *(1 for _ in I), *K)))
        return x_out, b + i + k
    x = reshape(x, (B.numel(), I.numel(), J.numel()))
    y = reshape(y, (B.numel(), J.numel(), K.numel()))
    return reshape(MatMul.of(x, y), (*B, *I, *K)), b + i + k


def _ordered(x: Tensor, axes: Axes, wanted: Axes) -> Tensor:
    return x if axes == wanted else permute(x, [axes.index(a) for a in wanted])


def _summed(x: Tensor, axes: Axes, keep: set) -> tuple[Tensor, Axes]:
    if all(a in keep for a in axes):
        return x, axes
    left = [a for a in axes if a in keep]
    x_out = sum_to_size(x, [n if a in keep else 1 for n, a in zip(x.shape, axes, strict=True)])
    return reshape(x_out, [n for n, a in zip(x.shape, axes, strict=True) if a in keep]), left


def _once_each(x: Tensor, axes: Axes, size: dict) -> tuple[Tensor, Axes]:
    """x without axes of size 1, which broadcast, and with the diagonal of an axis that occurs twice."""
    real = [k for k, a in enumerate(axes) if x.shape[k] == size[a] != 1]
    if len(real) < len(axes):
        x, axes = reshape(x, [x.shape[k] for k in real]), [axes[k] for k in real]
    for a in dict.fromkeys(axes):
        while len(places := [k for k, b in enumerate(axes) if b == a]) > 1:
            first, second, *_ = places
            others = [k for k in range(len(axes)) if k not in (first, second)]
            x = diagonal(x, 0, first, second)
            axes = [*(axes[k] for k in others), a]
    return x, axes


def _sizes(axes: Sequence[Axes], operands: Sequence[Tensor]) -> dict:
    size: dict = {}
    for words, x in zip(axes, operands, strict=True):
        of_x = dict(zip(words, x.shape, strict=True))
        for a, n in zip(words, x.shape, strict=True):
            if of_x[a] != n or (size.setdefault(a, n) != n and 1 not in (n, size[a])):
                given = ", ".join(map(in_words, operands))
                raise ShapeError(f"einsum: axis {_in_letters([a])} has different sizes; it was given {given}.")
            size[a] = n if size[a] == 1 else size[a]
    return size


# Parsing of the equation, or of sublists.


def _parsed(args: Sequence[Any]) -> tuple[list[Axes], list[Tensor], Axes | None]:
    """The axes of each operand, the operands, and the axes of the output if they are given."""
    if len(args) < 2:
        raise ValueError("einsum: it expects an equation and operands, or operands and sublists.")
    output: Axes | None
    if isinstance(args[0], Tensor):
        output = list(args[-1]) if len(args) % 2 else None
        operands = list(args[: len(args) // 2 * 2 : 2])
        listed = [list(words) for words in args[1 : len(args) // 2 * 2 : 2]]
    else:
        operands = list(args[1]) if len(args) == 2 and isinstance(args[1], (list, tuple)) else list(args[1:])
        left, arrow, right = args[0].replace(" ", "").partition("->")
        listed, output = [_letters(words) for words in left.split(",")], _letters(right) if arrow else None
    if len(listed) != len(operands):
        raise ShapeError(f"einsum: it expects {len(listed)} operands; it was given {len(operands)}.")
    return listed, operands, output


def _letters(words: str) -> Axes:
    axes = [... if a == "." else a for a in words.replace("...", ".")]
    if sum(a is ... for a in axes) > 1 or not all(a is ... or (a.isascii() and a.isalpha()) for a in axes):
        raise ShapeError(f"einsum: an operand's axes are letters, and '...' once; it was given {words!r}.")
    return axes


def _of_ellipsis(words: Axes, ndim: int, equation: Sequence[Axes]) -> Axes:
    """The axes of an operand, with those of its ellipsis numbered from the last."""
    n = ndim - len(words) + 1 if ... in words else 0
    if n < 0 or (... not in words and len(words) != ndim):
        raise ShapeError(f"einsum: an operand has {ndim} axes, and {_in_letters(words)} in the equation.")
    return [b for a in words for b in ([("...", k) for k in range(n, 0, -1)] if a is ... else [a])]


def _in_letters(axes: Axes) -> str:
    return " ".join("..." if a is ... or type(a) is tuple else str(a) for a in axes)
