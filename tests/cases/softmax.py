"""Softmax and its kin."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import CHANCE, case, given, one, seeded

STRAIGHT = dict.fromkeys(("finite_differences", "finite_differences_second_order"), "its L is that of softmax")

CASES = [
    case("softmax", given(F.softmax, -1), given(native.softmax, -1), one(4), module=(ours.Softmax, nn.Softmax, (-1,))),
    case("softmin", given(F.softmin, -2), given(native.softmin, -2), one(4, 2),
         module=(ours.Softmin, nn.Softmin, (-2,))),
    case("log_softmax", given(F.log_softmax, -1), given(native.log_softmax, -1), one(4),
         module=(ours.LogSoftmax, nn.LogSoftmax, (-1,))),
    case("gumbel_softmax", seeded(given(F.gumbel_softmax, 0.5)), seeded(given(native.gumbel_softmax, 0.5)), one(4),
         skip=CHANCE),
    case("gumbel_softmax", seeded(given(F.gumbel_softmax, hard=True)), seeded(given(native.gumbel_softmax, hard=True)),
         one(4), title="hard", skip=CHANCE | STRAIGHT),
    case("logsumexp", given(F.logsumexp, -1), given(torch.logsumexp, -1), one(4)),
    case("logsumexp", given(F.logsumexp, (-2, -1), keepdim=True), given(torch.logsumexp, (-2, -1), keepdim=True),
         one(4, 2), title="over two axes"),
]  # fmt: skip
