"""Chance."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import CHANCE, case, given, one, seeded


def by_chance(name, inputs, like=None, **options):
    f, g = getattr(F, name), like or getattr(native, name)
    return case(name, seeded(given(f, training=True, **options)),
                seeded(given(g, **({"train": True, **options} if like else {"training": True, **options}))), inputs,
                skip=CHANCE, title=", ".join(f"{k}={v}" for k, v in options.items()))  # fmt: skip


CASES = [
    case("dropout", given(F.dropout, training=False), given(native.dropout, training=False), one(4),
         module=(ours.Dropout, nn.Dropout, (0.3,)), title="at rest"),
    by_chance("dropout", one(4)),
    by_chance("dropout", one(4), p=0.2),
    by_chance("alpha_dropout", one(4), p=0.4),
    by_chance("dropout1d", one(4, 2)),
    by_chance("dropout2d", one(4, 2, 2), p=0.3),
    by_chance("dropout3d", one(3, 2, 2, 2)),
    by_chance("feature_dropout", one(4, 2), torch.feature_dropout, p=0.6),
    by_chance("feature_alpha_dropout", one(4, 2)),
]  # fmt: skip
