"""Distances, and how much alike."""

import math

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, one, two


def norm(d, p):
    return (d.abs() ** p).sum(-1) ** (1 / p)


def cosine(a, b):
    return (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1)).sqrt()


def apart(p):
    return lambda a, b: norm(a[..., :, None, :] - b[..., None, :, :], p)


def pairs(x):
    i, j = torch.triu_indices(len(x), len(x), 1)
    return norm(x[i] - x[j], 2)


def clouds(draw, n):
    return draw(n, 3, 2), draw(n, 4, 2)


FORWARD = {"forward_mode_agrees": "PyTorch has no forward mode of it"}
NAN = {"nan_inputs": "PyTorch's slope of |NaN| is 0 in a norm and NaN in its cdist; here it is 0 in both"}
PDIST = {
    "per_datapoint_gradients": "each datapoint is every other's input",
    "empty_batch": "PyTorch's way back from no points divides by zero, which ends the process",
}
CASES = [
    case("pairwise_distance", F.pairwise_distance, native.pairwise_distance, two(4),
         lambda a, b: norm(a - b + 1e-6, 2), (ours.PairwiseDistance, nn.PairwiseDistance, ())),
    *(case("pairwise_distance", lambda a, b, p=p: F.pairwise_distance(a, b, p, keepdim=True),
           lambda a, b, p=p: native.pairwise_distance(a, b, p, keepdim=True), two(4), title=f"p={p}")
      for p in (1.0, math.inf)),
    case("pairwise_distance", lambda a, b: F.pairwise_distance(a, b, 3.0),
         lambda a, b: native.pairwise_distance(a, b, 3.0), two(4), lambda a, b: norm(a - b + 1e-6, 3), title="p=3"),
    case("cosine_similarity", lambda a, b: F.cosine_similarity(a, b, -1),
         lambda a, b: native.cosine_similarity(a, b, -1), two(4), cosine,
         (ours.CosineSimilarity, nn.CosineSimilarity, ())),
    case("cosine_similarity", lambda a, b: F.cosine_similarity(a, b, -1),
         lambda a, b: native.cosine_similarity(a, b, -1),
         lambda draw, n: (draw(n, 3, 4), draw(n, 1, 4)), lambda a, b: cosine(a.mT, b.mT), title="broadcast"),
    case("cdist", F.cdist, torch.cdist, clouds, apart(2), skip=FORWARD),
    case("cdist", lambda a, b: F.cdist(a, b, compute_mode="use_mm_for_euclid_dist"),
         lambda a, b: torch.cdist(a, b, compute_mode="use_mm_for_euclid_dist"), clouds, apart(2),
         skip=FORWARD, title="by products"),
    case("cdist", lambda a, b: F.cdist(a, b, 1.0), lambda a, b: torch.cdist(a, b, 1.0), clouds, apart(1),
         skip=FORWARD | NAN, title="p=1"),
    case("cdist", lambda a, b: F.cdist(a, b, 3.0), lambda a, b: torch.cdist(a, b, 3.0), clouds, apart(3),
         skip=FORWARD, title="p=3"),
    case("pdist", F.pdist, native.pdist, one(4), pairs, skip=FORWARD | PDIST),
]  # fmt: skip
