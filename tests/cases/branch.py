"""14.7: branch, merge and their like."""

import torch

import chapter14.functional as F

from .declare import case, given, one

ONE_SHAPE = {"wrong_shapes": "between two given shapes; PyTorch broadcasts what is written out here"}

CASES = [
    case("branch", F.branch, lambda x: (x.view_as(x), x.view_as(x)), one(4)),
    case("add_n", F.add_n, lambda a, b, c: a + b + c, lambda draw, n: (draw(n, 4), draw(n, 4), draw(n, 4)),
         skip=ONE_SHAPE),
    case("broadcast_to", given(F.broadcast_to, (3, 2, 4)), lambda x: x.expand(3, 2, 4), lambda draw, n: (draw(2, 1),)),
    case("sum_to_size", given(F.sum_to_size, (2, 1)), lambda x: x.sum_to_size(2, 1), lambda draw, n: (draw(3, 2, 4),)),
    case("merge", F.merge, lambda *x: torch.cat(x, -1), lambda draw, n: (draw(n, 4), draw(n, 2), draw(n, 1))),
    case("split", given(F.split, [1, 3], -1), given(torch.split, [1, 3], -1), one(4)),
    case("stack", lambda *x: F.stack(x, -1), lambda *x: torch.stack(x, -1), lambda draw, n: (draw(n, 4), draw(n, 4))),
    case("unbind", given(F.unbind, -1), given(torch.unbind, -1), one(4)),
]  # fmt: skip
