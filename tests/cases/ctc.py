"""Connectionist temporal classification, against every path there is."""

import itertools

import torch
from torch.nn import functional as native

import chapter14.functional as F

from .declare import SUMS, case

TARGETS = torch.tensor([[1, 2], [2, 2], [1, 0]])


def calls(f, log_softmax, **options):
    """Of scores [T, N, C]: their softmax is what the loss is for."""

    def call(x):
        N = x.shape[1]
        rows = torch.arange(N) % 3
        lengths = torch.tensor([2, 2, 1])[rows]
        return f(log_softmax(x, 2), TARGETS[rows], torch.tensor([4, 3, 4])[rows], lengths, **options)

    return call


def every_path(x):
    """J of each, from the paths that read as its target."""
    x = x.log_softmax(2)
    J = []
    for n, (time, target) in enumerate(((4, [1, 2]), (3, [2, 2]), (4, [1]))[: x.shape[1]]):
        paths = [
            path
            for path in itertools.product(range(3), repeat=time)
            if [c for c, _ in itertools.groupby(path) if c] == target
        ]
        J.append(-torch.stack([sum(x[t, n, c] for t, c in enumerate(path)) for path in paths]).logsumexp(0))
    return torch.stack(J)


def mean(x):
    J = every_path(x)
    return (J / torch.tensor([2.0, 2.0, 1.0])[: len(J)]).mean()


def scores(draw, n):
    return (draw(4, n, 3),)


SKIP = {
    "forward_mode_agrees": "PyTorch has no forward mode of it",
    "per_datapoint_gradients": "its times are counted for a batch, on the second axis",
    "compiles": "Dynamo does not take torch.ctc_loss whole: the shape of its second output depends on the lengths",
}
CASES = [
    case("ctc_loss", calls(F.ctc_loss, F.log_softmax), calls(native.ctc_loss, native.log_softmax), scores, mean,
         skip=SUMS | SKIP),
    case("ctc_loss", calls(F.ctc_loss, F.log_softmax, reduction="none"),
         calls(native.ctc_loss, native.log_softmax, reduction="none"), scores, every_path, skip=SKIP, title="of each"),
]  # fmt: skip
