"""Products of matrices in groups, as in a mixture of experts: each group of rows has its own matrix.

    x_out[t] = a[t] b[i]        where offs[i-1] <= t < offs[i]        [T, K][G, K, N] → [T, N]

An axis of size T is in groups. If it is a's last and b's first axis, each group is summed over; if it is b's last, it
is the last of x_out:

    [M, T][T, N] → [G, M, N]        [G, M, K][K, T] → [M, T]

    dJ/da = g_out b^T               dJ/db = a^T g_out

are products of these three kinds again, with the same offs. Entries from offs[-1] on belong to no group: they are not
read, and x_out is 0 there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...layer.modes import compiling
from ...layer.shape import ShapeError, was_given
from ..core.arrange import transpose
from ..core.bilinear_map import BilinearMap
from ..core.bitmask import is_plain
from .matmul import MatMul


class GroupedMM(BilinearMap):
    @staticmethod
    def forward(a, b, offs):
        if not (_fits(a) and _fits(b)):
            return _group_by_group(a, b, offs)
        x_out = torch._grouped_mm(a, b, offs=offs)
        if a.ndim == b.ndim:
            return x_out
        beyond = torch.arange(x_out.shape[0 if a.ndim == 2 else 1], device=offs.device) >= offs[-1]
        return x_out.masked_fill_(beyond[:, None] if a.ndim == 2 else beyond, 0)  # uninitialized memory

    @staticmethod
    def transpose_a(g, b, shape, offs):
        return GroupedMM.of(g, transpose(b), offs)

    @staticmethod
    def transpose_b(g, a, shape, offs):
        return GroupedMM.of(transpose(a), g, offs)


def _fits(x: Tensor) -> bool:
    """Whether torch's GPU kernel takes x: bfloat16, aligned to 16 bytes."""
    if x.dtype != torch.bfloat16 or not x.is_cuda or not (compiling() or (is_plain(x) and x.data_ptr() % 16 == 0)):
        return False
    return any(
        x.stride(i) == 1 and x.stride(j) >= max(1, x.shape[i]) and x.stride(j) % 8 == 0 for i, j in ((-1, -2), (-2, -1))
    )


def _group_by_group(a: Tensor, b: Tensor, offs: Tensor) -> Tensor:
    ends, n = offs.tolist(), a.shape[0 if b.ndim == 3 else -1] if a.ndim == 2 else b.shape[-1]
    if sorted([0, *ends, n]) != [0, *ends, n]:
        raise ShapeError(f"grouped_mm: offs has the end of each group, in order, up to {n}; it was given {ends}.")
    groups = [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
    if a.ndim == b.ndim:
        return torch.stack([a[:, group] @ b[group] for group in groups])
    if a.ndim == 2:
        products = [a[group] @ b[i] for i, group in enumerate(groups)]
        return torch.cat([*products, a.new_zeros(a.shape[0] - ends[-1], b.shape[-1])])
    products = [a[i] @ b[:, group] for i, group in enumerate(groups)]
    return torch.cat([*products, a.new_zeros(a.shape[1], b.shape[1] - ends[-1])], 1)


def grouped_mm(
    mat_a: Tensor, mat_b: Tensor, *, offs: Tensor | None = None, bias: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:  # fmt: skip
    """mat_a [T, K], mat_b [G, K, N], offs [G] → [T, N], and its other forms, as `torch.nn.functional.grouped_mm`.

    Raises:
        ShapeError: they do not fit.
        NotImplementedError: for a bias or another out_dtype, which torch does not support either.
    """
    if bias is not None or out_dtype not in (None, mat_a.dtype):
        raise NotImplementedError("grouped_mm: a bias, and an out_dtype other than mat_a's, are not supported.")
    if mat_a.dtype != mat_b.dtype:
        raise RuntimeError(f"grouped_mm: it expects one dtype; it was given {mat_a.dtype} and {mat_b.dtype}.")
    given = was_given(mat_a=mat_a, mat_b=mat_b, offs=offs)
    ndims, offsets = (mat_a.ndim, mat_b.ndim), None if offs is None else offs.shape
    if ndims == (3, 3) and offs is None:
        if mat_a.shape[0] != mat_b.shape[0] or mat_a.shape[2] != mat_b.shape[1]:
            raise ShapeError(f"grouped_mm: it expects mat_a [G, M, K], mat_b [G, K, N]; {given}")
        return MatMul.of(mat_a, mat_b)
    if ndims not in ((2, 3), (2, 2), (3, 2)) or offs is None or offs.dtype != torch.int32 or offs.ndim != 1:
        raise ShapeError(f"grouped_mm: it expects 2 or 3 axes, and offs [G] int32 unless both have 3; {given}")
    groups = [x.shape[:1] for x in (mat_a, mat_b) if x.ndim == 3]
    if mat_a.shape[-1] != mat_b.shape[-2] or any(n != offsets for n in groups) or not offs.numel():
        raise ShapeError(f"grouped_mm: it expects as many offs as matrices, and equal sizes to sum over; {given}")
    return GroupedMM.of(mat_a, mat_b, offs)
