"""How a layer is declared: a `Case`, and the inputs to draw for it."""

import torch
from torch import nn

import chapter14.functional as F
import chapter14.nn as ours
from chapter14.checking.case import Case

SUMS = {"per_datapoint_gradients": "the datapoints are one another's input, or are averaged"}
CHANCE = {"per_datapoint_gradients": "vmap asks first whether the entries are to differ",
          "compiles": "Dynamo does not seed, which this case does to be the same each time"}  # fmt: skip


# Inputs: (draw, n) → the tensors for a batch of n.


def one(*shape):
    return lambda draw, n: (draw(n, *shape),)


def two(*shape):
    return lambda draw, n: (draw(n, *shape), draw(n, *shape))


def positive(draw, n):
    return (draw(n, 4).detach().exp().requires_grad_(),)


def weighted(x, *parameters):
    """A batch of x, and parameters, which have no batch."""
    return lambda draw, n: (draw(n, *x), *(draw(*p) for p in parameters))


def given(f, *args, **kwargs):
    """f with all arguments but the first fixed."""
    return lambda x: f(x, *args, **kwargs)


def case(name, f, like, inputs, composite=None, module=(), skip=None, title=""):
    """The function `name` of chapter14.functional, called as f."""
    return Case(f, like, inputs, composite, module, skip or {}, f"{name}, {title}" if title else name)


def seeded(f):
    def call(x):
        torch.manual_seed(14)
        return f(x)

    return call


def pointwise(name, like, inputs, title="", module=(), skip=None, composite=None, **options):
    """The function `name` of chapter14.functional, one tensor to another; `module` its class and what makes it."""
    f, g = getattr(F, name), like
    module = module and (getattr(ours, module[0]), getattr(nn, module[0]), module[1:])
    return case(name, given(f, **options), given(g, **options), inputs, composite, module, skip, title)
