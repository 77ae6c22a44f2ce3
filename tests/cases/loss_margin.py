"""Losses of a margin."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import SUMS, case


def pair(draw, n):
    return draw(n, 4), draw(n, 4), signs(n)


def signs(n, *shape):
    return (-1.0) ** torch.arange(n).double().view(n, *(1 for _ in shape)).expand(n, *shape)


def ranked(draw, n):
    return draw(n, 4), draw(n, 4), signs(n, 4)


def labelled(draw, n):
    return draw(n, 4), signs(n, 4)


def classed(draw, n):
    return draw(n, 5), torch.arange(n) * 3 % 5


def several(draw, n):
    """Some classes each, then -1, then what does not count."""
    return draw(n, 5), torch.tensor([[3, 0, -1, 1, 2], [4, -1, 0, 0, 0], [0, 1, 2, 3, 4]])[torch.arange(n) % 3]


def triplet(draw, n):
    return draw(n, 4), draw(n, 4), draw(n, 4)


def hinge(x, y):
    return torch.where(y == 1, x, (1 - x).clamp(min=0))


def ranking(a, b, y):
    return (0.5 - y * (a - b)).clamp(min=0)


def multi_margin(p):
    def each(x, y):
        others = 1 - native.one_hot(y, 5).to(x.dtype)
        return ((1 - x.gather(1, y[:, None]) + x).clamp(min=0) ** p * others).sum(1) / 5

    return each


def multilabel(x, y):
    J = []
    for row, labels in zip(x, [[int(i) for i in row] for row in y], strict=True):
        labels = labels[: labels.index(-1)] if -1 in labels else labels
        others = [j for j in range(5) if j not in labels]
        J.append(sum([(1 - row[i] + row[j]).clamp(min=0) for i in labels for j in others], row.sum() * 0) / 5)
    return torch.stack(J)


def cosine(a, b, y):
    c = (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1)).sqrt()
    return torch.where(y == 1, 1 - c, (c - 0.1).clamp(min=0))


def nearer(swap):
    def each(a, p, n):
        d = [(x - y + 1e-6).square().sum(-1).sqrt() for x, y in ((a, p), (a, n), (p, n))]
        return (1 + d[0] - (torch.minimum(d[1], d[2]) if swap else d[1])).clamp(min=0)

    return each


def losses(name, module, inputs, each, skip=None, **options):
    """The mean, and J of each."""
    f, like = getattr(F, name), getattr(native, name)
    twins = (getattr(ours, module), getattr(nn, module), ()) if not options else ()

    def call(f, reduction):
        return lambda *x: f(*x, **options, reduction=reduction)

    said = "".join(f", {key}={value}" for key, value in options.items())
    return [
        case(name, call(f, "mean"), call(like, "mean"), inputs, lambda *x: each(*x).mean(), twins, SUMS | (skip or {}),
             said.removeprefix(", ")),
        case(name, call(f, "none"), call(like, "none"), inputs, each, skip=skip, title=f"of each{said}"),
    ]  # fmt: skip


NO_RULE = {
    "forward_mode_agrees": "PyTorch has no forward mode of it",
    "per_datapoint_gradients": "PyTorch's kernel has no batching rule, and warns that it is slow",
}
UNWRITTEN = {"empty_batch": "PyTorch gives memory that it has not written, docs/native_faults.md"}
CASES = [
    *losses("hinge_embedding_loss", "HingeEmbeddingLoss", labelled, hinge),
    *losses("margin_ranking_loss", "MarginRankingLoss", ranked, ranking, margin=0.5),
    *losses("multi_margin_loss", "MultiMarginLoss", classed, multi_margin(1), NO_RULE | UNWRITTEN),
    *losses("multi_margin_loss", "MultiMarginLoss", classed, multi_margin(2), NO_RULE | UNWRITTEN, p=2),
    *losses("multilabel_margin_loss", "MultiLabelMarginLoss", several, multilabel, NO_RULE),
    *losses("cosine_embedding_loss", "CosineEmbeddingLoss", pair, cosine, margin=0.1),
    *losses("triplet_margin_loss", "TripletMarginLoss", triplet, nearer(False)),
    *losses("triplet_margin_loss", "TripletMarginLoss", triplet, nearer(True), swap=True),
    *losses("triplet_margin_with_distance_loss", "TripletMarginWithDistanceLoss", triplet, nearer(False)),
]  # fmt: skip
