"""Products of vectors and matrices, as torch calls them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ...layers.core.arithmetic import plus, times
from ...layers.core.arrange import axis, permute, reshape
from ...layers.core.branch import broadcast_to
from ...layers.core.complex import conj
from ...layers.linear.einsum import einsum as _einsum
from ...layers.linear.grouped import grouped_mm as _grouped_mm
from ...layers.linear.matmul import MatMul, addmm, scaled
from ...layers.linear.matmul import matmul as _matmul
from ...layers.reduce.reduce import sum
from ...shape import ShapeError, check_shapes
from ..table import stands_for
from .arithmetic import promoted


@stands_for("matmul", "__matmul__", "linalg.matmul")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    return _matmul(input, other)


@stands_for("__rmatmul__")
def rmatmul(other: Tensor, input: Tensor) -> Tensor:
    return _matmul(input, other)


@stands_for("mm")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    check_shapes("mm", input=(input, "N M"), mat2=(mat2, "M P"))
    return MatMul.of(input, mat2)


@stands_for("bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    check_shapes("bmm", input=(input, "B N M"), mat2=(mat2, "B M P"))
    return MatMul.of(input, mat2)


@stands_for("mv")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    check_shapes("mv", input=(input, "N M"), vec=(vec, "M"))
    return _matmul(input, vec)


@stands_for("dot")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    check_shapes("dot", input=(input, "N"), tensor=(tensor, "N"))
    return _matmul(input, tensor)


@stands_for("vdot")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    return dot(conj(input), other)


@stands_for("linalg.vecdot")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    return sum(times(conj(x), y), None if x.ndim == y.ndim == 1 else dim)  # of vectors, torch looks at no dim


@stands_for("inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    if input.ndim == 0 or other.ndim == 0:
        return times(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner: it expects input [..., N], other [..., N]; it was given {list(input.shape)}, {list(other.shape)}."
        )
    return tensordot(input, other, [-1], [-1])


@stands_for("outer", "ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    check_shapes("outer", input=(input, "N"), vec2=(vec2, "M"))
    return times(*promoted(reshape(input, (-1, 1) if input.numel() else (0, 1)), vec2))


@stands_for("addmm")
def _addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    check_shapes("addmm", mat1=(mat1, "N M"), mat2=(mat2, "M P"))
    return addmm(input, mat1, mat2, beta, alpha)


@stands_for("baddbmm")
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    check_shapes("baddbmm", batch1=(batch1, "B N M"), batch2=(batch2, "B M P"))
    return addmm(input, batch1, batch2, beta, alpha)


@stands_for("addbmm")
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    check_shapes("addbmm", batch1=(batch1, "B N M"), batch2=(batch2, "B M P"))
    (B, N, M), P = batch1.shape, batch2.shape[-1]
    return addmm(input, reshape(permute(batch1, (1, 0, 2)), (N, B * M)), reshape(batch2, (B * M, P)), beta, alpha)


@stands_for("addmv")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return _added_to(input, mv(mat, vec), beta, alpha)


@stands_for("addr")
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return _added_to(input, outer(vec1, vec2), beta, alpha)


def _added_to(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta input + alpha product; a beta of 0 leaves the input out, whatever it is."""
    if not product.is_floating_point() and not product.is_complex():
        return NotImplemented  # whole numbers, by which alpha and beta are rounded
    input, product = promoted(broadcast_to(input, product.shape), scaled(product, alpha))
    return plus(scaled(input, beta), product) if beta else product


@stands_for("chain_matmul")
def chain_matmul(*matrices: Tensor) -> Tensor:
    return multi_dot(matrices)


@stands_for("linalg.multi_dot")
def multi_dot(tensors: Any) -> Tensor:
    """The cheapest product of two neighbours first, and so on."""
    tensors = list(tensors)
    if len(tensors) < 2 or any(t.ndim != 2 for t in tensors[1:-1]) or any(t.ndim not in (1, 2) for t in tensors):
        raise ShapeError(
            "multi_dot: it expects two or more matrices, of which the first and the last may be vectors; it was given "
            f"{[list(t.shape) for t in tensors]}."
        )
    while len(tensors) > 1:
        costs = [a.numel() * (b.shape[-1] if b.ndim > 1 else 1) for a, b in pairwise(tensors)]
        i = costs.index(min(costs))
        tensors[i : i + 2] = [_matmul(tensors[i], tensors[i + 1])]
    return tensors[0]


@stands_for("einsum")
def einsum(*args: Any) -> Tensor:
    return _einsum(*args)


def grouped_mm(
    input: Tensor,
    mat2: Tensor,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    if bias is not None or out_dtype not in (None, input.dtype):
        return NotImplemented  # which torch refuses
    return _grouped_mm(input, mat2, offs=offs)


if hasattr(torch, "_grouped_mm"):  # PyTorch 2.7 has none
    stands_for("torch._grouped_mm")(grouped_mm)
if hasattr(torch.nn.functional, "grouped_mm"):
    stands_for("torch.nn.functional.grouped_mm")(grouped_mm)


@stands_for("_VF.tensordot")
def tensordot(a: Tensor, b: Tensor, dims_a: Any, dims_b: Any) -> Tensor:
    """Of `torch.tensordot`, which is opened: the axes by number, summed over in pairs."""
    if not all(x.ndim for x, dims in ((a, dims_a), (b, dims_b)) if dims):
        return NotImplemented  # which torch refuses
    dims_a, dims_b = [axis(a, d) for d in dims_a], [axis(b, d) for d in dims_b]
    sums = dict(zip(dims_b, dims_a, strict=True))
    return _einsum(
        a, list(range(a.ndim)), b, [sums.get(d, a.ndim + d) for d in range(b.ndim)],
        [d for d in range(a.ndim) if d not in dims_a] + [a.ndim + d for d in range(b.ndim) if d not in dims_b],
    )  # fmt: skip
