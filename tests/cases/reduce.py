"""Reductions, scans, and what is chosen along an axis."""

import functools
import math

import torch

import chapter14.functional as F
from chapter14.layers.core.cast import moved
from chapter14.layers.reduce.reduce import evenly
from chapter14.layers.reduce.scan import recur
from chapter14.layers.reduce.selection import chosen

from .declare import case, given, one, two

OTHERS = {"nan_inputs": "PyTorch divides by x, so a NaN comes back to itself too; here the others are multiplied"}
CONSTANT = {"per_datapoint_gradients": "PyTorch's is a constant, with no way back to differentiate"}


def recurrence(a, x):
    y = [x[..., 0]]
    for k in range(1, x.shape[-1]):
        y.append(a[..., k] * y[-1] + x[..., k])
    return torch.stack(y, -1)


def products(x):
    """Of the entries so far, as many products."""
    return torch.stack([functools.reduce(torch.mul, x.unbind(-1)[: k + 1]) for k in range(x.shape[-1])], -1)


def zeros(draw, n):
    """Some of x is 0."""
    x = draw(n, 4).detach()
    x[:, 1] = 0
    return (x.requires_grad_(),)


def over(name, f, like, *args, inputs=None, composite=None, title="", skip=None, **options):
    return case(name, given(f, *args, **options), given(like, *args, **options), inputs or one(4, 2), composite,
                title=title, skip=skip)  # fmt: skip


def norms(p, composite):
    return case("vector_norm", given(F.vector_norm, p, -1), given(torch.linalg.vector_norm, p, -1), one(4), composite,
                title=f"p={p}", skip={} if p else CONSTANT)  # fmt: skip


CASES = [
    over("sum", F.sum, torch.sum, -1),
    over("sum", F.sum, torch.sum, (-2, -1), keepdim=True, title="over two axes"),
    over("mean", F.mean, torch.mean, -1),
    over("mean", F.mean, torch.mean, (-2, -1), keepdim=True, title="over two axes"),
    over("var", F.var, torch.var, -2, correction=1),
    over("var", F.var, torch.var, (-2, -1), keepdim=True, correction=0, title="over two axes"),
    over("std", F.std, torch.std, -2, correction=1, composite=lambda x: x.var(-2).sqrt()),
    over("prod", F.prod, torch.prod, -2, skip=OTHERS),
    over("prod", F.prod, torch.prod, -1, inputs=zeros, composite=lambda x: products(x)[..., -1], title="with a zero"),
    over("amax", F.amax, torch.amax, (-2, -1)),
    over("amax", F.amax, torch.amax, -1, inputs=zeros, title="some equal"),
    over("amin", F.amin, torch.amin, -1, keepdim=True),
    case("evenly", given(evenly, lambda x: x.median(-1)[0], -1), lambda x: x.median(-1)[0], one(5),
         skip={"half_precision_accuracy": "after rounding, some entries are equal: here they share g"}),
    *(norms(p, lambda x, p=p: (x.abs() ** p).sum(-1) ** (1 / p)) for p in (0.5, 1, 1.5, 2, 3)),
    *(norms(p, None) for p in (0, math.inf, -math.inf)),
    over("cumsum", F.cumsum, torch.cumsum, -2),
    over("cumprod", F.cumprod, torch.cumprod, -2, skip=OTHERS),
    over("cumprod", F.cumprod, torch.cumprod, -1, inputs=zeros, composite=products, title="with a zero", skip=OTHERS),
    over("logcumsumexp", F.logcumsumexp, torch.logcumsumexp, -2, composite=lambda x: x.exp().cumsum(-2).log()),
    case("recur", recur, recurrence, two(5),
         skip={"wrong_shapes": "of one shape; PyTorch broadcasts what is written out here"}),
    case("chosen", given(chosen, lambda x: x.sort(-1), -1), lambda x: tuple(x.sort(-1)), one(4)),
    case("chosen", given(chosen, lambda x: x.topk(2, -2), -2), lambda x: tuple(x.topk(2, -2)), one(4, 2),
         title="largest two"),
    case("chosen", given(chosen, lambda x: x.max(-1), -1), lambda x: tuple(x.max(-1)), one(4), title="largest"),
    case("clone", F.clone, torch.clone, one(4)),
    case("moved", lambda x: moved(x, x.device, torch.float64), lambda x: x.double(), one(4)),
]  # fmt: skip
