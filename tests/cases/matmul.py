"""Products of matrices, einsum, and the bilinear layer."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, weighted


def sums(equation, *shapes, title="", skip=None):
    """einsum of one batch and of what has none."""
    return case("einsum", lambda *x: F.einsum(equation, *x), lambda *x: torch.einsum(equation, *x), weighted(*shapes),
                title=title or equation, skip=skip)  # fmt: skip


def scaled(add):
    return lambda c, a, b: add(c, a, b, beta=0.5, alpha=2)


#: Where each group of six rows ends; the second is empty, and the last row is in none.
OFFS = torch.tensor([2, 2, 5], dtype=torch.int32)
GROUPS = {
    "per_datapoint_gradients": "the rows of a group are one matrix",
    "compiles": "where groups end is read from a tensor; compiled, it is torch's kernel, for bfloat16 on a GPU",
    "autocast_agrees": "autocast does not cast torch's grouped_mm, but casts the products of the reference here",
    "wrong_shapes": "written out here, it takes slices of matrices that do not fit",
    "memory_at_most_native": "offs is remembered, as by torch's grouped_mm; written out here, it is a constant",
}


def in_groups(a, b):
    """Group by group, in PyTorch's own operations: its grouped_mm takes no float64."""
    groups = [slice(0, 2), slice(2, 2), slice(2, 5)]
    if a.ndim == b.ndim:
        return torch.stack([a[:, rows] @ b[rows] for rows in groups])
    if a.ndim == 2:
        return torch.cat([*(a[rows] @ b[i] for i, rows in enumerate(groups)), a.new_zeros(1, b.shape[-1])])
    return torch.cat([*(a[i] @ b[:, rows] for i, rows in enumerate(groups)), a.new_zeros(a.shape[1], 1)], 1)


def grouped(a, b, title):
    return case("grouped_mm", lambda a, b: F.grouped_mm(a, b, offs=OFFS), in_groups,
                lambda draw, n: (draw(*a), draw(*b)), title=title, skip=GROUPS)  # fmt: skip


CASES = [
    case("matmul", F.matmul, torch.matmul, lambda draw, n: (draw(n, 3, 4), draw(n, 4, 2))),
    case("matmul", F.matmul, torch.matmul, weighted((2, 3, 4), (2, 4, 2)), title="broadcast"),
    case("matmul", F.matmul, torch.matmul, weighted((3, 4), (4, 2)), title="by one matrix"),
    case("matmul", F.matmul, torch.matmul, weighted((3, 4), (4,)), title="by a vector"),
    case("addmm", scaled(F.addmm), scaled(torch.addmm), lambda draw, n: (draw(4), draw(n, 3), draw(3, 4)),
         skip={"per_datapoint_gradients": "matrices have no batch axis in front"}),
    case("addmm", scaled(F.addmm), scaled(torch.baddbmm), lambda draw, n: (draw(n, 2, 4), draw(n, 2, 3), draw(n, 3, 4)),
         title="batches", skip={"per_datapoint_gradients": "one datapoint of a batch has no batch axis"}),
    grouped((6, 4), (3, 4, 2), "rows"),
    grouped((4, 6), (6, 2), "summed over"),
    grouped((3, 2, 4), (4, 6), "columns"),
    case("grouped_mm", F.grouped_mm, torch.bmm, lambda draw, n: (draw(n, 3, 4), draw(n, 4, 2)), title="batches",
         skip={"per_datapoint_gradients": "one datapoint of a batch has no batch axis"}),
    sums("...ij,jk->...ik", (2, 4), (4, 3)),
    sums("...ij,...kj->...ik", (2, 4), (3, 4)),
    sums("...i,i,ij", (4,), (4,), (4, 3), title="three operands",
         skip={"memory_at_most_native": "the product of the first two is remembered"}),
    sums("...ii->...i", (3, 3), title="a diagonal",
         skip={"memory_at_most_native": "the index of the diagonal is saved"}),
    case("bilinear", F.bilinear, native.bilinear,
         lambda draw, n: (draw(n, 4), draw(n, 3), draw(5, 4, 3), draw(5)),
         module=(ours.Bilinear, nn.Bilinear, (4, 3, 5))),
]  # fmt: skip
