"""Functions of two tensors, entry by entry."""

import torch

import chapter14.functional as F
from chapter14.layers.pointwise.binary import divide_by, exponential
from chapter14.layers.pointwise.remainder import divide_rounded

from .declare import case, given, two, weighted


def apart(draw, n):
    """Two tensors, the second away from 0."""
    return draw(n, 4), draw(n, 4).detach().exp().requires_grad_()


def both_positive(draw, n):
    return tuple(draw(n, 4).detach().exp().requires_grad_() for _ in range(2))


def rounded(name, f, like, **options):
    return case(name, lambda a, b: f(a, b, **options), like, apart, title=options["rounding"])


def floor_divide(a, b):
    return torch.div(a, b, rounding_mode="floor")


CASES = [
    case("divide", F.divide, torch.div, apart),
    case("divide", F.divide, torch.div, weighted((3, 4), (4,)), title="broadcast"),
    case("divide_by", given(divide_by, 3.0), lambda x: x / 3.0, lambda draw, n: (draw(n, 4),)),
    case("pow", F.pow, torch.pow, both_positive),
    case("exponential", lambda x: exponential(3.0, x), lambda x: 3.0**x, lambda draw, n: (draw(n, 4),)),
    case("exponential", lambda x: exponential(0.0, x), lambda x: 0.0**x,
         lambda draw, n: (draw(n, 4).detach().exp().requires_grad_(),), lambda x: x * 0, title="of zero"),
    case("atan2", F.atan2, torch.atan2, two(4)),
    case("hypot", F.hypot, torch.hypot, two(4)),
    case("logaddexp", F.logaddexp, torch.logaddexp, two(4)),
    case("xlogy", F.xlogy, torch.xlogy, apart),
    case("xlog1py", F.xlog1py, torch.special.xlog1py, apart),
    rounded("remainder", F.remainder, torch.remainder, rounding="floor"),
    rounded("remainder", F.remainder, torch.fmod, rounding="trunc"),
    rounded("divide_rounded", divide_rounded, floor_divide, rounding="floor"),
]  # fmt: skip
