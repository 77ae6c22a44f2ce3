"""Pooling."""

from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one

MAX = {"whole_numbers": "PyTorch takes integers only where it returns indices too, and here they are taken"}


def pools(axes):
    size = ((6,), (5, 4), (4, 3, 3))[axes - 1]

    def pool(kind, *args, title="", but=None, **options):
        name = f"{kind}_pool{axes}d"
        words = {
            "avg": "AvgPool",
            "max": "MaxPool",
            "adaptive_avg": "AdaptiveAvgPool",
            "adaptive_max": "AdaptiveMaxPool",
        }
        twins = (getattr(ours, f"{words[kind]}{axes}d"), getattr(nn, f"{words[kind]}{axes}d"), args)
        f, like = (given(getattr(where, name), *args, **options) for where in (F, native))
        return case(name, f, like, one(2, *size), module=() if options else twins, title=title, but=but)

    overlapping = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}
    return [
        pool("avg", 2),
        pool("avg", title="overlapping, inside only", **overlapping, count_include_pad=False),
        pool("max", 2, but=MAX if axes == 1 else None),
        pool("max", title="overlapping", **overlapping, but=MAX if axes == 1 else None),
        pool("adaptive_avg", 3),
        pool("adaptive_max", 3),
    ]


CASES = [
    *(c for axes in (1, 2, 3) for c in pools(axes)),
]  # fmt: skip
