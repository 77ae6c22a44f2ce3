"""Sums, products and powers, entry by entry."""

import torch

import chapter14.functional as F
from chapter14.layers.core import arithmetic

from .declare import case, given, one, positive, two, weighted

MASK = torch.tensor([True, False, True, True])

CASES = [
    case("add", F.add, torch.add, two(4)),
    case("add", F.add, torch.add, weighted((3, 4), (4,)), title="broadcast"),
    case("sub", F.sub, torch.sub, two(4)),
    case("mul", F.mul, torch.mul, two(4)),
    case("mul", F.mul, torch.mul, weighted((3, 4), (3, 1)), title="broadcast"),
    case("mul", given(F.mul, 3.0), lambda x: x * 3.0, one(4), title="by a number"),
    case("add", given(F.add, 3.0), lambda x: x + 3.0, one(4), title="a number"),
    case("pow", given(F.pow, 2.5), lambda x: x**2.5, positive, title="to a number"),
    case("pow", given(F.pow, 3), lambda x: x**3, one(4), title="whole"),
    case("conj", F.conj, torch.conj_physical, one(4)),
    case("gate", lambda x: arithmetic.gate(x, MASK.expand(x.shape)), lambda x: x * MASK, one(4)),
    case("keep", lambda x: arithmetic.keep(x, MASK), lambda x: torch.where(MASK, x, 0), one(4)),
    case("sum_along", given(arithmetic.sum_along, -2), lambda x: x.sum(-2, keepdim=True), one(4, 2)),
    case("mean_along", given(arithmetic.mean_along, (-2, -1)), lambda x: x.mean((-2, -1), keepdim=True), one(4, 2)),
]  # fmt: skip
