"""Layers that only move entries."""

import torch
from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one

COUNTED = {"per_datapoint_gradients": "the axes are counted with the batch"}


def pads():
    """The border of each kind, along one axis, two, three."""
    width = ((2, 1), (1, 1, 0, 1), (1, 0, 1, 1, 0, 1))
    for mode, name in (("reflect", "Reflection"), ("replicate", "Replication"), ("circular", "Circular")):
        for axes in (1, 2, 3):
            module = (getattr(ours, f"{name}Pad{axes}d"), getattr(nn, f"{name}Pad{axes}d"), (width[axes - 1],))
            yield case("pad", given(F.pad, width[axes - 1], mode), given(native.pad, width[axes - 1], mode),
                       one(2, *(4, 3, 3)[:axes]), module=module, title=f"{mode}, {axes} axes")  # fmt: skip
    for axes in (1, 2, 3):
        for name, value in (("Zero", ()), ("Constant", (3.0,))):
            module = (getattr(ours, f"{name}Pad{axes}d"), getattr(nn, f"{name}Pad{axes}d"), (width[axes - 1], *value))
            options = {"value": value[0]} if value else {}
            yield case("pad", given(F.pad, width[axes - 1], **options), given(native.pad, width[axes - 1], **options),
                       one(2, *(4, 3, 3)[:axes]), module=module, title=f"{name}, {axes} axes")  # fmt: skip


CASES = [
    case("reshape", lambda x: F.reshape(x, (*x.shape[:-2], 3, 2)), lambda x: x.reshape(*x.shape[:-2], 3, 2), one(2, 3)),
    case("flatten", given(F.flatten, 1), given(torch.flatten, 1), one(2, 3), module=(ours.Flatten, nn.Flatten, ()),
         skip=COUNTED),
    case("unflatten", given(F.unflatten, -1, (2, -1)), given(torch.unflatten, -1, (2, -1)), one(3, 4),
         module=(ours.Unflatten, nn.Unflatten, (-1, (2, 2)))),
    case("squeeze", given(F.squeeze, -1), given(torch.squeeze, -1), one(2, 1)),
    case("squeeze", F.squeeze, torch.squeeze, one(1, 2, 1), title="all"),
    case("unsqueeze", given(F.unsqueeze, -2), given(torch.unsqueeze, -2), one(2, 3)),
    case("permute", given(F.permute, (0, 2, -2)), lambda x: x.permute(0, 2, 1), one(2, 3), skip=COUNTED),
    case("transpose", F.transpose, lambda x: x.transpose(-2, -1), one(2, 3)),
    case("transpose", given(F.transpose, 0, -1), given(torch.transpose, 0, -1), one(2, 3), title="by their numbers",
         skip=COUNTED),
    case("flip", given(F.flip, (-1,)), given(torch.flip, (-1,)), one(4)),
    case("roll", given(F.roll, (1, -2), (-2, -1)), given(torch.roll, (1, -2), (-2, -1)), one(4, 3)),
    case("roll", given(F.roll, 2), given(torch.roll, 2), one(4), skip=COUNTED, title="as one row"),
    case("narrow", given(F.narrow, -1, 1, 2), lambda x: x.narrow(-1, 1, 2), one(4)),
    case("select", given(F.select, -2, -1), given(torch.select, -2, -1), one(2, 3)),
    case("diagonal", given(F.diagonal, 1, -2, -1), given(torch.diagonal, 1, -2, -1), one(3, 4)),
    case("as_strided", given(F.as_strided, (2, 2), (1, 2)), given(torch.as_strided, (2, 2), (1, 2)), one(4),
         skip={"per_datapoint_gradients": "it counts places in the memory of the whole batch",
              "compiles": "Dynamo does not say where in memory a tensor starts",
              "empty_batch": "there is no such place in the memory of none",
              "memory_layouts": "how x lies in memory is what it is about",
              "wrong_shapes": "PyTorch looks beyond the end of a tensor that is a part of another"}),
    case("tril", given(F.tril, 1), given(torch.tril, 1), one(3, 4)),
    case("triu", given(F.triu, -1), given(torch.triu, -1), one(3, 4)),
    case("pad", given(F.pad, (1, -2)), given(native.pad, (1, -2)), one(2, 4), title="cropped"),
    *pads(),
    case("pixel_shuffle", given(F.pixel_shuffle, 2), given(native.pixel_shuffle, 2), one(8, 3, 2),
         module=(ours.PixelShuffle, nn.PixelShuffle, (2,))),
    case("pixel_unshuffle", given(F.pixel_unshuffle, 2), given(native.pixel_unshuffle, 2), one(2, 6, 4),
         module=(ours.PixelUnshuffle, nn.PixelUnshuffle, (2,))),
    case("channel_shuffle", given(F.channel_shuffle, 2), given(native.channel_shuffle, 2), one(4, 3),
         module=(ours.ChannelShuffle, nn.ChannelShuffle, (2,)), skip=COUNTED),
]  # fmt: skip
