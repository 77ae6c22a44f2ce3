"""Losses of a distance, entry by entry."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import SUMS, case, two


def huber(d, delta=1.0):
    return torch.where(d.abs() < delta, d * d / 2, delta * (d.abs() - delta / 2))


def losses(name, module, h, h_with_options, title="of each entry", **options):
    """The loss as it is called without an option, and of each entry, with them."""
    f, like = getattr(F, name), getattr(native, name)
    twins = (getattr(ours, module), getattr(nn, module), ())
    options = {"reduction": "none", **options}
    return [
        case(name, f, like, two(4), lambda a, b: h(a - b).mean(), twins, SUMS),
        case(name, lambda a, b: f(a, b, **options), lambda a, b: like(a, b, **options), two(4),
             lambda a, b: h_with_options(a - b), title=title),
    ]  # fmt: skip


def three(draw, n):
    return draw(n, 4), draw(n, 4), draw(n, 4)


LEAN = {"memory_at_most_native": "it saves the sum of the weights and its reciprocal, one number more than PyTorch"}


def weighted_loss(name, h):
    f, like = getattr(F, name), getattr(native, name)

    def composite(a, b, w):
        return (w * h(a - b)).sum() / (w.numel() if name == "huber_loss" else w.sum())

    return case(name, lambda a, b, w: f(a, b, weight=w), lambda a, b, w: like(a, b, weight=w), three, composite,
                skip=SUMS if name == "huber_loss" else SUMS | LEAN, title="weighted")  # fmt: skip


CASES = [
    *losses("mse_loss", "MSELoss", torch.square, torch.square),
    *losses("l1_loss", "L1Loss", torch.abs, torch.abs),
    *losses("huber_loss", "HuberLoss", huber, lambda d: huber(d, 0.5), "of each entry, delta=0.5", delta=0.5),
    *losses("smooth_l1_loss", "SmoothL1Loss", huber, lambda d: huber(d, 0.5) / 0.5, "of each entry, beta=0.5",
            beta=0.5),
    case("smooth_l1_loss", lambda a, b: F.smooth_l1_loss(a, b, beta=0.0),
         lambda a, b: native.smooth_l1_loss(a, b, beta=0.0), two(4), skip=SUMS, title="beta=0"),
    weighted_loss("mse_loss", torch.square),
    weighted_loss("l1_loss", torch.abs),
    weighted_loss("huber_loss", huber),
]  # fmt: skip
