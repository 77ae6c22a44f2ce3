"""Products of matrices, einsum, and the bilinear layer."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, weighted


def sums(equation, *shapes, title="", but=None):
    """einsum of one batch and of what has none."""
    return case("einsum", lambda *x: F.einsum(equation, *x), lambda *x: torch.einsum(equation, *x), weighted(*shapes),
                title=title or equation, but=but)  # fmt: skip


def scaled(add):
    return lambda c, a, b: add(c, a, b, beta=0.5, alpha=2)


CASES = [
    case("matmul", F.matmul, torch.matmul, lambda draw, n: (draw(n, 3, 4), draw(n, 4, 2))),
    case("matmul", F.matmul, torch.matmul, weighted((2, 3, 4), (2, 4, 2)), title="broadcast"),
    case("matmul", F.matmul, torch.matmul, weighted((3, 4), (4, 2)), title="by one matrix"),
    case("matmul", F.matmul, torch.matmul, weighted((3, 4), (4,)), title="by a vector"),
    case("addmm", scaled(F.addmm), scaled(torch.addmm), lambda draw, n: (draw(4), draw(n, 3), draw(3, 4)),
         but={"per_datapoint": "matrices have no batch axis in front"}),
    case("addmm", scaled(F.addmm), scaled(torch.baddbmm), lambda draw, n: (draw(n, 2, 4), draw(n, 2, 3), draw(n, 3, 4)),
         title="batches", but={"per_datapoint": "one datapoint of a batch has no batch axis"}),
    sums("...ij,jk->...ik", (2, 4), (4, 3)),
    sums("...ij,...kj->...ik", (2, 4), (3, 4)),
    sums("...i,i,ij", (4,), (4,), (4, 3), title="three operands",
         but={"lean": "the product of the first two is remembered"}),
    sums("...ii->...i", (3, 3), title="a diagonal", but={"lean": "where the diagonal lies is remembered"}),
    case("bilinear", F.bilinear, native.bilinear,
         lambda draw, n: (draw(n, 4), draw(n, 3), draw(5, 4, 3), draw(5)),
         module=(ours.Bilinear, nn.Bilinear, (4, 3, 5))),
]  # fmt: skip
