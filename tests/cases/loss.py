"""14.6.3: losses."""

import math

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import SUMS, case, two

ONE_SHAPE = {"wrong_shapes": "between two given shapes; PyTorch broadcasts what is written out here"}


def classes(*places):
    """Scores of five classes at some places, and the classes; one of them is ignored."""

    def inputs(draw, n):
        target = (torch.arange(n * math.prod(places)).reshape(n, *places) * 3) % 5
        return draw(n, 5, *places), target

    return inputs


def soft(draw, n):
    return draw(n, 5), draw(n, 5).detach().softmax(1).requires_grad_()


def cross_entropies(name, make_ours, make_native):
    f, like = getattr(F, name), getattr(native, name)
    w = torch.linspace(0.5, 2, 5, dtype=torch.float64)

    def call(f, **options):
        return lambda x, y: f(x, y, **options)

    def with_weight(f, **options):
        return lambda x, y: f(x, y, w.to(x.dtype), **options)

    return [
        case(name, f, like, classes(), module=(make_ours, make_native, ()), skip=SUMS),
        case(name, call(f, reduction="none"), call(like, reduction="none"), classes(3),
             skip={"per_datapoint_gradients": "places need a batch axis, as in PyTorch"}, title="of each place"),
        case(name, with_weight(f, ignore_index=3), with_weight(like, ignore_index=3), classes(2), skip=SUMS,
             title="weighted, one class ignored"),
    ]  # fmt: skip


CASES = [
    case("l2_loss", F.l2_loss, lambda a, b: native.mse_loss(a, b, reduction="none").sum(1).mean(), two(4),
         skip=SUMS | ONE_SHAPE),
    case("l2_loss", lambda a, b: F.l2_loss(a, b, "none"),
         lambda a, b: native.mse_loss(a, b, reduction="none").sum(1), two(4), skip=ONE_SHAPE,
         title="of each datapoint"),
    *cross_entropies("nll_loss", ours.NLLLoss, nn.NLLLoss),
    *cross_entropies("cross_entropy", ours.CrossEntropyLoss, nn.CrossEntropyLoss),
    case("cross_entropy", F.cross_entropy, native.cross_entropy, soft, skip=SUMS, title="of probabilities"),
    case("cross_entropy", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.2),
         lambda x, y: native.cross_entropy(x, y, label_smoothing=0.2), classes(2), skip=SUMS, title="smoothed"),
    case("linear_cross_entropy", lambda x, W, b, y: F.linear_cross_entropy(x, W, y, linear_bias=b),
         lambda x, W, b, y: native.cross_entropy(native.linear(x, W, b), y),
         lambda draw, n: (draw(n, 4), draw(5, 4), draw(5), torch.arange(n) * 3 % 5),
         skip=SUMS | {"wrong_shapes": "between the shapes of one batch; what is written out here takes more",
                     "memory_at_most_native": "it saves gradients instead of scores, which have more entries"}),
]  # fmt: skip
