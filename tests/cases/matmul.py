"""Products of matrices."""

import torch

import chapter14.functional as F

from .declare import case, weighted

CASES = [
    case("matmul", F.matmul, torch.matmul, lambda draw, n: (draw(n, 3, 4), draw(n, 4, 2))),
    case("matmul", F.matmul, torch.matmul, weighted((2, 3, 4), (2, 4, 2)), title="broadcast"),
    case("matmul", F.matmul, torch.matmul, weighted((3, 4), (4,)), title="by a vector"),
]  # fmt: skip
