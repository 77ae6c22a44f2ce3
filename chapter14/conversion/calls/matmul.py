"""Products of vectors and matrices."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import Tensor

from ...layer.shape import ShapeError, check_shapes, was_given
from ...layers.core.arithmetic import plus, times
from ...layers.core.arrange import axis, permute, reshape
from ...layers.core.branch import broadcast_to
from ...layers.core.complex import conj
from ...layers.linear.einsum import einsum
from ...layers.linear.grouped import grouped_mm
from ...layers.linear.matmul import AddMM, MatMul, matmul, scaled
from ...layers.reduce.reduce import sum
from .operands import by_name, promoted


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    check_shapes("mm", input=(input, "N M"), mat2=(mat2, "M P"))
    return MatMul.of(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    check_shapes("bmm", input=(input, "B N M"), mat2=(mat2, "B M P"))
    return MatMul.of(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    check_shapes("mv", input=(input, "N M"), vec=(vec, "M"))
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    check_shapes("dot", input=(input, "N"), tensor=(tensor, "N"))
    return matmul(input, tensor)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    return sum(times(conj(x), y), None if x.ndim == y.ndim == 1 else dim)  # torch ignores dim for vectors


def inner(input: Tensor, other: Tensor) -> Tensor:
    if input.ndim == 0 or other.ndim == 0:
        return times(input, other)
    if input.shape[-1] != other.shape[-1]:
        given = was_given(input=input, other=other)
        raise ShapeError(f"inner: it expects input [..., N], other [..., N]; {given}")
    return tensordot(input, other, [-1], [-1])


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    check_shapes("outer", input=(input, "N"), vec2=(vec2, "M"))
    return times(*promoted(reshape(input, (-1, 1) if input.numel() else (0, 1)), vec2))


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    check_shapes("addmm", mat1=(mat1, "N M"), mat2=(mat2, "M P"))
    return AddMM.of(input, mat1, mat2, beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    check_shapes("baddbmm", batch1=(batch1, "B N M"), batch2=(batch2, "B M P"))
    return AddMM.of(input, batch1, batch2, beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    check_shapes("addbmm", batch1=(batch1, "B N M"), batch2=(batch2, "B M P"))
    (B, N, M), P = batch1.shape, batch2.shape[-1]
    return AddMM.of(input, reshape(permute(batch1, (1, 0, 2)), (N, B * M)), reshape(batch2, (B * M, P)), beta, alpha)


def _added_to(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta input + alpha product; with beta = 0 the input is ignored, even NaN."""
    if not product.is_floating_point() and not product.is_complex():
        return NotImplemented  # integers: torch rounds alpha and beta
    input, product = promoted(broadcast_to(input, product.shape), scaled(product, alpha))
    return plus(scaled(input, beta), product) if beta else product


def multi_dot(tensors: Any) -> Tensor:
    """Always multiplies the two neighbours whose product costs least."""
    tensors = list(tensors)
    if len(tensors) < 2 or any(t.ndim != 2 for t in tensors[1:-1]) or any(t.ndim not in (1, 2) for t in tensors):
        given = f"it was given {[list(t.shape) for t in tensors]}."
        raise ShapeError(f"multi_dot: it expects two or more matrices; the first and the last may be vectors; {given}")
    while len(tensors) > 1:
        costs = [a.numel() * (b.shape[-1] if b.ndim > 1 else 1) for a, b in pairwise(tensors)]
        i = costs.index(min(costs))
        tensors[i : i + 2] = [matmul(tensors[i], tensors[i + 1])]
    return tensors[0]


def tensordot(a: Tensor, b: Tensor, dims_a: Any, dims_b: Any) -> Tensor:
    """What the Python function `torch.tensordot` calls: sums over pairs of axes."""
    if not all(x.ndim for x, dims in ((a, dims_a), (b, dims_b)) if dims):
        return NotImplemented  # torch refuses it
    dims_a, dims_b = [axis(a, d) for d in dims_a], [axis(b, d) for d in dims_b]
    sums = dict(zip(dims_b, dims_a, strict=True))
    return einsum(
        a, list(range(a.ndim)), b, [sums.get(d, a.ndim + d) for d in range(b.ndim)],
        [d for d in range(a.ndim) if d not in dims_a] + [a.ndim + d for d in range(b.ndim) if d not in dims_b],
    )  # fmt: skip


CALLS = by_name(addbmm, addmm, baddbmm, bmm, dot, einsum, inner, mm, mv) | {
    "matmul __matmul__ linalg.matmul": matmul,
    "__rmatmul__": lambda other, input: matmul(input, other),
    "vdot": lambda input, other: dot(conj(input), other),
    "linalg.vecdot": vecdot,
    "outer ger": outer,
    "addmv": lambda input, mat, vec, *, beta=1, alpha=1: _added_to(input, mv(mat, vec), beta, alpha),
    "addr": lambda input, vec1, vec2, *, beta=1, alpha=1: _added_to(input, outer(vec1, vec2), beta, alpha),
    "chain_matmul": lambda *matrices: multi_dot(matrices),
    "linalg.multi_dot": multi_dot,
    "_VF.tensordot": tensordot,
    "torch._grouped_mm?": lambda input, mat2, offs=None, bias=None, out_dtype=None:
        grouped_mm(input, mat2, offs=offs, bias=bias, out_dtype=out_dtype),
}  # fmt: skip
