"""Sums, products and powers, entry by entry."""

import torch

import chapter14.functional as F

from .declare import case, given, one, positive, two, weighted

MASK = torch.tensor([True, False, True, True])

CASES = [
    case("plus", F.plus, torch.add, two(4)),
    case("plus", F.plus, torch.add, weighted((3, 4), (4,)), title="broadcast"),
    case("minus", F.minus, torch.sub, two(4)),
    case("times", F.times, torch.mul, two(4)),
    case("times", F.times, torch.mul, weighted((3, 4), (3, 1)), title="broadcast"),
    case("scale", given(F.scale, 3.0), lambda x: x * 3.0, one(4)),
    case("shift", given(F.shift, 3.0), lambda x: x + 3.0, one(4)),
    case("power", given(F.power, 2.5), lambda x: x**2.5, positive),
    case("power", given(F.power, 3), lambda x: x**3, one(4), title="whole"),
    case("conjugate", F.conjugate, torch.conj_physical, one(4)),
    case("gate", lambda x: F.gate(x, MASK.expand(x.shape)), lambda x: x * MASK, one(4)),
    case("keep", lambda x: F.keep(x, MASK), lambda x: torch.where(MASK, x, 0), one(4)),
    case("sum_along", given(F.sum_along, -2), lambda x: x.sum(-2, keepdim=True), one(4, 2)),
    case("mean_along", given(F.mean_along, (-2, -1)), lambda x: x.mean((-2, -1), keepdim=True), one(4, 2)),
]  # fmt: skip
