"""Choices between values, entry by entry."""

import torch

import chapter14.functional as F

from .declare import case, given, one, two, weighted

MASK = torch.tensor([True, False, True, True])


def bounds(draw, n):
    """x, a lower bound and an upper one; of the last, the two cross."""
    return draw(n, 4), draw(n, 4), draw(4)


CASES = [
    case("where", lambda a, b: F.where(MASK, a, b), lambda a, b: torch.where(MASK, a, b), two(4)),
    case("where", lambda a, b: F.where(MASK, a, b), lambda a, b: torch.where(MASK, a, b), weighted((3, 4), (3, 1)),
         title="broadcast"),
    case("maximum", F.maximum, torch.maximum, two(4)),
    case("minimum", F.minimum, torch.minimum, weighted((3, 4), (3, 1)), title="broadcast"),
    case("fmax", F.fmax, torch.fmax, two(4)),
    case("fmin", F.fmin, torch.fmin, weighted((3, 4), (3, 1)), title="broadcast"),
    case("clamp", given(F.clamp, -0.5, 0.5), given(torch.clamp, -0.5, 0.5), one(4)),
    case("clamp", given(F.clamp, -0.5), given(torch.clamp, -0.5), one(4), title="from below"),
    case("clamp", F.clamp, torch.clamp, bounds, title="between tensors"),
]  # fmt: skip
