"""14.6.1: linear, outer."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import SUMS, case, weighted

ONE_SHAPE = {"wrong_shapes": "between two given shapes; PyTorch broadcasts what is written out here"}

CASES = [
    case("linear", F.linear, native.linear, weighted((4,), (5, 4), (5,)), module=(ours.Linear, nn.Linear, (4, 5))),
    case("linear", F.linear, native.linear, weighted((2, 4), (5, 4)), title="no bias, two batch axes"),
    case("outer", F.outer, lambda g, x: torch.einsum("...m,...n->mn", g, x), lambda draw, n: (draw(n, 4), draw(n, 3)),
         skip=SUMS | ONE_SHAPE),
]  # fmt: skip
