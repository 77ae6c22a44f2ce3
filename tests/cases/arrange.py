"""Layers that only move entries."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one

ROWS = torch.tensor([0, 2, 2, 1])


def index(n, k, size):
    """[n, k] below size; some rows have an entry twice."""
    return (torch.arange(n)[:, None] + torch.arange(k) // 2) % size


CASES = [
    case("reshape", lambda x: F.reshape(x, (*x.shape[:-2], 3, 2)), lambda x: x.reshape(*x.shape[:-2], 3, 2), one(2, 3)),
    case("flatten", given(F.flatten, 1), given(torch.flatten, 1), one(2, 3), module=(ours.Flatten, nn.Flatten, ())),
    case("permute", given(F.permute, (0, 2, 1)), lambda x: x.permute(0, 2, 1), one(2, 3),
         but={"per_datapoint": "the axes are counted with the batch"}),
    case("transpose", F.transpose, lambda x: x.transpose(-2, -1), one(2, 3)),
    case("flip", given(F.flip, (-1,)), given(torch.flip, (-1,)), one(4)),
    case("roll", given(F.roll, (1, -2), (-2, -1)), given(torch.roll, (1, -2), (-2, -1)), one(4, 3)),
    case("narrow", given(F.narrow, -1, 1, 2), lambda x: x.narrow(-1, 1, 2), one(4)),
    case("take", given(F.take, ROWS, -1), given(torch.index_select, -1, ROWS), one(4)),
    case("put", given(F.put, ROWS, -1, 5), lambda x: x.new_zeros(*x.shape[:-1], 5).index_add(-1, ROWS, x), one(4)),
    case("pick", F.pick, lambda x, i: x.gather(-1, i), lambda draw, n: (draw(n, 4), index(n, 3, 4))),
    case("place", lambda x, i: F.place(x, i, -1, (*x.shape[:-1], 5)),
         lambda x, i: x.new_zeros(*x.shape[:-1], 5).scatter_add(-1, i, x),
         lambda draw, n: (draw(n, 3), index(n, 3, 5))),
    case("pad", given(F.pad, (1, 2), value=3.0), given(native.pad, (1, 2), value=3.0), one(2, 4), title="with a value"),
    case("pad", given(F.pad, (1, -2)), given(native.pad, (1, -2)), one(2, 4)),
    *(case("pad", given(F.pad, (2, 1), mode), given(native.pad, (2, 1), mode), one(2, 4), title=mode,
           but={"lean": "it remembers where the entries of one axis come from"} if mode == "circular" else {})
      for mode in ("reflect", "replicate", "circular")),
    case("pixel_shuffle", given(F.pixel_shuffle, 2), given(native.pixel_shuffle, 2), one(8, 3, 2),
         module=(ours.PixelShuffle, nn.PixelShuffle, (2,))),
    case("pixel_unshuffle", given(F.pixel_unshuffle, 2), given(native.pixel_unshuffle, 2), one(2, 6, 4),
         module=(ours.PixelUnshuffle, nn.PixelUnshuffle, (2,))),
]  # fmt: skip
