"""Norms."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import SUMS, case, given, one, weighted

FLAT = {"wrong_shapes": "PyTorch takes a weight of any shape with as many entries; here it is [C]"}


MANY = {"memory_at_most_native": "made of several layers, each of which remembers what it needs; p=2 is one"}
ONE = {"per_datapoint_gradients": "it needs a batch axis, as PyTorch's"}


def standardized(x, dims, eps=1e-5):
    centred = x - x.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def grouped(x, w, b):
    """In two groups."""
    return standardized(x.reshape(len(x), 2, 2, -1), (2, 3)).reshape(x.shape) * w[:, None] + b[:, None]


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
         title="by its running statistics",
         skip=FLAT | {"per_datapoint_gradients": "it needs a batch axis, as PyTorch's"}),
    case("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), lambda x, w, b: native.group_norm(x, 2, w, b),
         weighted((4, 3), (4,), (4,)), grouped, (ours.GroupNorm, nn.GroupNorm, (2, 4)), ONE),
    case("group_norm", given(F.group_norm, 2), given(native.group_norm, 2), one(4, 3),
         lambda x: standardized(x.reshape(-1, 2, 2, 3), (2, 3)).reshape(x.shape), title="no parameters", skip=ONE),
    case("instance_norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b),
         lambda x, w, b: native.instance_norm(x, weight=w, bias=b), weighted((4, 3), (4,), (4,)),
         lambda x, w, b: standardized(x, -1) * w[:, None] + b[:, None],
         (ours.InstanceNorm1d, nn.InstanceNorm1d, (4, 1e-5, 0.1, True)), ONE),
    case("rms_norm", lambda x, w: F.rms_norm(x, (4,), w), lambda x, w: native.rms_norm(x, (4,), w),
         weighted((4,), (4,)), module=(ours.RMSNorm, nn.RMSNorm, (4,))),
    case("rms_norm", given(F.rms_norm, (2, 3), eps=0.1), given(native.rms_norm, (2, 3), eps=0.1), one(2, 3),
         title="over two axes, no parameters"),
    case("local_response_norm", given(F.local_response_norm, 3, alpha=0.5),
         given(native.local_response_norm, 3, alpha=0.5), one(5, 2),
         module=(ours.LocalResponseNorm, nn.LocalResponseNorm, (3, 0.5)), skip=ONE),
    case("local_response_norm", given(F.local_response_norm, 4, 0.5, k=2.0),
         given(native.local_response_norm, 4, 0.5, k=2.0), one(5, 2, 2), title="an even number, images", skip=ONE),
    case("normalize", given(F.normalize, dim=-1), given(native.normalize, dim=-1), one(4),
         lambda x: x * x.square().sum(-1, keepdim=True) ** -0.5),
    case("normalize", given(F.normalize, p=3.0, dim=-1), given(native.normalize, p=3.0, dim=-1), one(4),
         lambda x: x * (x.abs() ** 3).sum(-1, keepdim=True) ** (-1 / 3), title="p=3",
         skip=MANY),
    case("normalize", given(F.normalize, p=1.0, dim=-1), given(native.normalize, p=1.0, dim=-1), one(4),
         lambda x: x / x.abs().sum(-1, keepdim=True), title="p=1", skip=MANY),
    case("normalize", given(F.normalize, p=torch.inf, dim=-1), given(native.normalize, p=torch.inf, dim=-1), one(4),
         lambda x: x / x.abs().amax(-1, keepdim=True), title="p=inf", skip=MANY),
]  # fmt: skip
