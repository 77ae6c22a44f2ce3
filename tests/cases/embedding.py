"""Rows of a table, and patches of an image."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one
from .gather import index

A_TABLE = {"per_datapoint_gradients": "W has no batch"}
LISTS = torch.tensor([0, 2, 2, 1, 4, 0]), torch.tensor([0, 3, 3])


def read(title="", skip=None, **options):
    """W first, as the input that asks."""
    return case("embedding", lambda W, i: F.embedding(i, W, **options), lambda W, i: native.embedding(i, W, **options),
                lambda draw, n: (draw(5, 3), index(n, 4, 5)), title=title, skip=A_TABLE | (skip or {}))  # fmt: skip


NO_SLOPE = "the row for padding is read, and has no gradient"
NONE = {"forward_mode_agrees": "PyTorch's has none; mixed_mode_orders compares it"}


def bags(title, mode, skip=None):
    """In one list; the second is empty, and 0 stands for padding."""

    def call(f):
        return lambda W: f(LISTS[0], W, LISTS[1], mode=mode, padding_idx=0)

    def composite(W):
        bags = [W[[2, 2]], W[:0], W[[1, 4]]]
        reduced = [b.sum(0) if mode == "sum" else b.mean(0) if mode == "mean" else b.amax(0) for b in bags if len(b)]
        return torch.stack([reduced[0], 0 * W[0], reduced[1]])

    return case("embedding_bag", call(F.embedding_bag), call(native.embedding_bag), lambda draw, n: (draw(5, 3),),
                composite, title=title, skip=A_TABLE | NONE | (skip or {}))  # fmt: skip


def weighed(f):
    return lambda W, c: f(LISTS[0], W, LISTS[1], mode="sum", per_sample_weights=c)


def weighed_by_hand(W, c):
    rows = c[:, None] * W[LISTS[0]]
    return torch.stack([rows[:3].sum(0), 0 * W[0], rows[3:].sum(0)])


PATCHES = {"kernel_size": (2, 3), "dilation": (2, 1), "padding": 1, "stride": (1, 2)}

CASES = [
    read(),
    read("a row for padding", padding_idx=2, skip={"finite_differences": NO_SLOPE, "complex_inputs": NO_SLOPE}),
    case("embedding_bag", lambda W, i: F.embedding_bag(i, W), lambda W, i: native.embedding_bag(i, W),
         lambda draw, n: (draw(5, 3), index(n, 4, 5)), lambda W, i: W[i].mean(-2), skip=A_TABLE | NONE),
    bags("sum", "sum"),
    bags("mean", "mean"),
    bags("max", "max"),
    case("embedding_bag", weighed(F.embedding_bag), weighed(native.embedding_bag),
         lambda draw, n: (draw(5, 3), draw(6)), weighed_by_hand, title="weighed", skip=A_TABLE | NONE),
    case("unfold", given(F.unfold, **PATCHES), given(native.unfold, **PATCHES), one(2, 4, 5),
         module=(ours.Unfold, nn.Unfold, (2,))),
    case("fold", given(F.fold, (4, 5), **PATCHES), given(native.fold, (4, 5), **PATCHES), one(12, 12)),
]  # fmt: skip
