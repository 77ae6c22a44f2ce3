"""Pooling."""

from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one

POWERS = {"memory_at_most_native": "made of four layers, two of them powers, each of which saves its base"}
DRAWN = {"per_datapoint_gradients": "what is drawn has a batch axis even where the input has none"}
MAX = {"integer_inputs": "PyTorch takes integers only where it returns indices too, and here they are taken"}


def pools(axes):
    size = ((6,), (5, 4), (4, 3, 3))[axes - 1]

    def pool(kind, *args, title="", skip=None, **options):
        name = f"{kind}_pool{axes}d"
        words = {
            "avg": "AvgPool",
            "max": "MaxPool",
            "adaptive_avg": "AdaptiveAvgPool",
            "adaptive_max": "AdaptiveMaxPool",
            "lp": "LPPool",
        }
        twins = (getattr(ours, f"{words[kind]}{axes}d"), getattr(nn, f"{words[kind]}{axes}d"), args)
        f, like = (given(getattr(where, name), *args, **options) for where in (F, native))
        return case(name, f, like, one(2, *size), module=() if options else twins, title=title, skip=skip)

    overlapping = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}
    return [
        pool("avg", 2),
        pool("avg", title="overlapping, inside only", **overlapping, count_include_pad=False),
        pool("max", 2, skip=MAX if axes == 1 else None),
        pool("max", title="overlapping", **overlapping, skip=MAX if axes == 1 else None),
        pool("adaptive_avg", 3),
        pool("adaptive_avg", 2 if axes == 3 else 4, title="parts that overlap"),
        pool("adaptive_max", 3),
        pool("lp", 2.0, 2, skip=POWERS),
        unpool(axes),
    ]


def unpooled(f):
    return lambda x, index: f(x, index, 2)


def at_places(f):
    return lambda x, places: f(x, 2, 2, _random_samples=places)


def unpool(axes):
    size = ((6,), (4, 4), (4, 2, 2))[axes - 1]
    name = f"max_unpool{axes}d"
    find = getattr(native, f"max_pool{axes}d")

    def inputs(draw, n):
        index = find(draw(n, 2, *size).detach(), 2, return_indices=True)[1]
        return draw(n, 2, *(s // 2 for s in size)), index

    f, like = (unpooled(getattr(where, name)) for where in (F, native))
    twins = (getattr(ours, f"MaxUnpool{axes}d"), getattr(nn, f"MaxUnpool{axes}d"), (2,))
    return case(name, f, like, inputs, module=twins)


def fractional(axes):
    size = ((5, 4), (5, 4, 4))[axes - 2]
    name = f"fractional_max_pool{axes}d"

    def inputs(draw, n):
        return draw(n, 2, *size), draw(n, 2, axes).detach().sigmoid()

    f, like = (at_places(getattr(where, name)) for where in (F, native))
    return case(name, f, like, inputs, skip=DRAWN)


CASES = [
    *(c for axes in (1, 2, 3) for c in pools(axes)),
    *(fractional(axes) for axes in (2, 3)),
]  # fmt: skip
