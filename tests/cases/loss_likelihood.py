"""Losses that are -log of how likely the data is."""

import math

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import SUMS, case, two

WEIGHT = torch.linspace(0.5, 2, 4, dtype=torch.float64)


def asks(t):
    return t.detach().requires_grad_()


def probabilities(draw, n):
    return asks(draw(n, 4).detach().sigmoid()), asks(draw(n, 4).detach().sigmoid())


def scores(draw, n):
    return draw(n, 4), asks(draw(n, 4).detach().sigmoid())


def divergence(draw, n):
    return asks(draw(n, 4).detach().log_softmax(-1)), asks(draw(n, 4).detach().softmax(-1))


def signs(draw, n):
    """The target asks for no gradient: PyTorch's has none."""
    return draw(n, 4), draw(n, 4).detach().sign()


def counts(draw, n):
    return draw(n, 4), asks(draw(n, 4).detach().exp())


def rates(draw, n):
    return asks(draw(n, 4).detach().exp()), asks(draw(n, 4).detach().exp())


def spreads(*shape):
    def inputs(draw, n):
        return draw(n, 4), draw(n, 4), asks(draw(n, *shape).detach().exp())

    return inputs


def logits(x, y, w=1.0):
    return -(w * y * native.logsigmoid(x) + (1 - y) * native.logsigmoid(-x))


def poisson(x, y):
    stirling = y * y.log() - y + 0.5 * (2 * math.pi * y).log()
    return x - y * (x + 1e-8).log() + torch.where(y > 1, stirling, 0)


def gaussian(x, y, v):
    return 0.5 * (v.log() + (x - y) ** 2 / v)


def loss(name, inputs, composite=None, module="", title="", skip=None, **options):
    """With the options; reduced to a mean, unless they say otherwise."""
    f, like = getattr(F, name), getattr(native, name)
    summed = {} if options.get("reduction") == "none" else SUMS
    twins = module and (getattr(ours, module), getattr(nn, module), ())
    return case(name, lambda *x: f(*x, **_in_dtype(options, x)), lambda *x: like(*x, **_in_dtype(options, x)), inputs,
                composite, twins or (), summed | (skip or {}), title)  # fmt: skip


def _in_dtype(options, x):
    return {k: v.to(x[0].dtype) if isinstance(v, torch.Tensor) else v for k, v in options.items()}


NAN = {"nan_inputs": "PyTorch refuses a probability that is NaN, and so does this"}
EACH = {"title": "of each entry", "reduction": "none"}
CASES = [
    loss("binary_cross_entropy", probabilities, lambda p, y: -(y * p.log() + (1 - y) * (1 - p).log()).mean(),
         "BCELoss", skip=NAN),
    loss("binary_cross_entropy", probabilities, lambda p, y: -(y * p.log() + (1 - y) * (1 - p).log()), skip=NAN,
         **EACH),
    loss("binary_cross_entropy", probabilities,
         lambda p, y: -(WEIGHT * (y * p.log() + (1 - y) * (1 - p).log())).sum(), title="weighted", skip=NAN,
         weight=WEIGHT, reduction="sum"),
    loss("binary_cross_entropy_with_logits", scores, lambda x, y: logits(x, y).mean(), "BCEWithLogitsLoss"),
    loss("binary_cross_entropy_with_logits", scores, logits, **EACH),
    loss("binary_cross_entropy_with_logits", scores, lambda x, y: (WEIGHT * logits(x, y, WEIGHT.flip(0))).sum(),
         title="weighted", weight=WEIGHT, pos_weight=WEIGHT.flip(0), reduction="sum"),
    loss("multilabel_soft_margin_loss", scores, lambda x, y: logits(x, y).mean(), "MultiLabelSoftMarginLoss"),
    loss("multilabel_soft_margin_loss", scores, lambda x, y: (WEIGHT * logits(x, y)).mean(-1),
         title="weighted, of each datapoint", weight=WEIGHT, reduction="none"),
    loss("soft_margin_loss", signs, lambda x, y: (1 + (-y * x).exp()).log().mean(), "SoftMarginLoss"),
    loss("soft_margin_loss", signs, lambda x, y: (1 + (-y * x).exp()).log(), **EACH),
    loss("kl_div", divergence, lambda x, y: (y * (y.log() - x)).sum() / x.shape[0], title="of a batch",
         reduction="batchmean"),
    loss("kl_div", divergence, lambda x, y: y * (y.log() - x), **EACH),
    loss("kl_div", two(4), lambda x, y: (y.exp() * (y - x)).sum(), title="of logarithms", log_target=True,
         reduction="sum"),
    loss("poisson_nll_loss", counts, lambda x, y: (x.exp() - y * x).mean(), "PoissonNLLLoss"),
    loss("poisson_nll_loss", rates, poisson, title="of each rate, full", log_input=False, full=True,
         reduction="none"),
    loss("gaussian_nll_loss", spreads(4), lambda *x: gaussian(*x).mean(), "GaussianNLLLoss"),
    loss("gaussian_nll_loss", spreads(1), lambda *x: gaussian(*x) + 0.5 * math.log(2 * math.pi), full=True, **EACH),
]  # fmt: skip
