"""14.6.2: h and h'."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one, positive

ELU = {"not_a_number": "PyTorch's gradient at NaN is 1 in a short tensor and NaN in a long one; here it is NaN"}


def pointwise(name, like, inputs, title="", module=(), but=None, **options):
    f, g = getattr(F, name), like
    module = module and (getattr(ours, module[0]), getattr(nn, module[0]), module[1:])
    return case(name, given(f, **options), given(g, **options), inputs, module=module, but=but, title=title)


CASES = [
    pointwise("relu", native.relu, one(4), module=("ReLU",)),
    case("relu", given(F.relu, at_zero=0), native.relu, one(4), title="at_zero=0"),
    pointwise("leaky_relu", native.leaky_relu, one(4), module=("LeakyReLU", 0.2)),
    pointwise("leaky_relu", native.leaky_relu, one(4), "falling", negative_slope=-0.3),
    pointwise("sigmoid", torch.sigmoid, one(4), module=("Sigmoid",)),
    pointwise("tanh", torch.tanh, one(4), module=("Tanh",)),
    pointwise("gelu", native.gelu, one(4), module=("GELU",)),
    pointwise("gelu", native.gelu, one(4), "by tanh", approximate="tanh"),
    pointwise("silu", native.silu, one(4), module=("SiLU",)),
    pointwise("softplus", native.softplus, one(4), module=("Softplus",)),
    pointwise("softplus", native.softplus, one(4), "sharp", beta=3.0, threshold=1.0),
    pointwise("elu", native.elu, one(4), module=("ELU",), but=ELU),
    pointwise("elu", native.elu, one(4), "half", but=ELU, alpha=0.5),
    pointwise("exp", torch.exp, one(4)),
    pointwise("log", torch.log, positive),
    pointwise("erf", torch.erf, one(4)),
    pointwise("absolute", torch.abs, one(4)),
    case("pointwise", given(F.pointwise, torch.sigmoid, lambda x: F.times(F.sigmoid(x), F.sigmoid(F.scale(x, -1)))),
         torch.sigmoid, one(4), title="the user's sigmoid"),
]  # fmt: skip
