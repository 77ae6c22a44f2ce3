"""14.6.2: h and h'."""

import torch

import chapter14.functional as F

from .declare import case, given, one, pointwise, positive

CASES = [
    pointwise("sigmoid", torch.sigmoid, one(4), module=("Sigmoid",)),
    pointwise("tanh", torch.tanh, one(4), module=("Tanh",)),
    pointwise("exp", torch.exp, one(4)),
    pointwise("log", torch.log, positive),
    pointwise("erf", torch.erf, one(4)),
    pointwise("absolute", torch.abs, one(4)),
    case("pointwise", given(F.pointwise, torch.sigmoid, lambda x: F.mul(F.sigmoid(x), F.sigmoid(F.mul(x, -1)))),
         torch.sigmoid, one(4), title="the user's sigmoid"),
]  # fmt: skip
