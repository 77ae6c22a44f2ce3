"""Images in another size."""

from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, given, one

BATCHED = {"per_datapoint_gradients": "one datapoint of a batch has no batch axis"}


def sizes(mode, *shape, title="", **options):
    """interpolate: to a size, or by a scale that is not the quotient of the sizes."""
    f, like = given(F.interpolate, mode=mode, **options), given(native.interpolate, mode=mode, **options)
    return case("interpolate", f, like, one(*shape), title=title or mode, skip=BATCHED)


CASES = [
    sizes("nearest", 2, 3, 4, size=(5, 3)),
    sizes("nearest", 2, 5, scale_factor=1.7, title="nearest, one axis"),
    sizes("nearest-exact", 1, 2, 3, 4, size=(3, 2, 6)),
    sizes("linear", 2, 5, scale_factor=1.7),
    sizes("bilinear", 2, 3, 4, size=(5, 3)),
    sizes("bilinear", 2, 3, 4, scale_factor=(1.7, 0.6), title="bilinear, by a scale"),
    sizes("bilinear", 2, 3, 4, size=(5, 7), align_corners=True, title="bilinear, corners on corners"),
    sizes("bilinear", 1, 5, 6, size=(3, 2), antialias=True, title="bilinear, smooth"),
    sizes("bicubic", 1, 3, 4, size=(5, 3)),
    sizes("bicubic", 1, 3, 4, scale_factor=1.7, align_corners=True, title="bicubic, corners on corners"),
    sizes("bicubic", 1, 5, 6, size=(3, 2), antialias=True, title="bicubic, smooth"),
    sizes("trilinear", 1, 2, 3, 2, size=(3, 2, 3)),
    sizes("area", 2, 4, 5, size=(2, 3)),
    case("upsample", given(F.upsample, scale_factor=2), given(native.interpolate, scale_factor=2), one(2, 3, 2),
         module=(ours.Upsample, nn.Upsample, (None, 2)), skip=BATCHED),
    case("upsample_nearest", given(F.upsample_nearest, scale_factor=2), given(native.interpolate, scale_factor=2),
         one(2, 3, 2), module=(ours.UpsamplingNearest2d, nn.UpsamplingNearest2d, (None, 2)), skip=BATCHED),
    case("upsample_bilinear", given(F.upsample_bilinear, scale_factor=2),
         given(native.interpolate, scale_factor=2, mode="bilinear", align_corners=True), one(2, 3, 2),
         module=(ours.UpsamplingBilinear2d, nn.UpsamplingBilinear2d, (None, 2)), skip=BATCHED),
]  # fmt: skip
