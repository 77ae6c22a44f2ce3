"""Chance."""

from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one, seeded

CASES = [
    case("dropout", given(F.dropout, training=False), given(native.dropout, training=False), one(4),
         module=(ours.Dropout, nn.Dropout, (0.3,)), title="at rest"),
    case("dropout", seeded(F.dropout), seeded(native.dropout), one(4),
         but={"per_datapoint": "vmap asks first whether the entries are to differ",
              "compiles": "Dynamo does not seed, which this case does to be the same each time"}),
]  # fmt: skip
