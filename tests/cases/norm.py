"""Norms."""

from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import SUMS, case, given, one, weighted

FLAT = {"wrong_shapes": "PyTorch takes a weight of any shape with as many entries; here it is [C]"}


def standardized(x, dims, eps=1e-5):
    centred = x - x.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


CASES = [
    case("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b), lambda x, w, b: native.layer_norm(x, (4,), w, b),
         weighted((4,), (4,), (4,)), lambda x, w, b: standardized(x, -1) * w + b,
         (ours.LayerNorm, nn.LayerNorm, (4,))),
    case("layer_norm", given(F.layer_norm, (2, 3)), given(native.layer_norm, (2, 3)), one(2, 3),
         lambda x: standardized(x, (1, 2)), title="over two axes, no parameters"),
    case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
         lambda x, w, b: native.batch_norm(x, None, None, w, b, True), weighted((4, 2), (4,), (4,)),
         lambda x, w, b: standardized(x, (0, 2)) * w[:, None] + b[:, None], (ours.BatchNorm1d, nn.BatchNorm1d, (4,)),
         SUMS | FLAT),
    case("batch_norm", lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b),
         lambda x, w, b, m, v: native.batch_norm(x, m, v, w, b),
         lambda draw, n: (draw(n, 4, 2), draw(4), draw(4), draw(4).detach(), draw(4).detach().exp()),
         lambda x, w, b, m, v: (x - m[:, None]) * (v[:, None] + 1e-5).rsqrt() * w[:, None] + b[:, None],
         title="by its running statistics", but=FLAT | {"per_datapoint": "it needs a batch axis, as PyTorch's"}),
    case("normalize", given(F.normalize, dim=-1), given(native.normalize, dim=-1), one(4),
         lambda x: x * x.square().sum(-1, keepdim=True) ** -0.5),
    case("normalize", given(F.normalize, p=3.0, dim=-1), given(native.normalize, p=3.0, dim=-1), one(4),
         lambda x: x * (x.abs() ** 3).sum(-1, keepdim=True) ** (-1 / 3), title="p=3",
         but={"lean": "made of five layers, each of which remembers what it needs; p=2 is one"}),
]  # fmt: skip
