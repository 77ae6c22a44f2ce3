"""Convolutions."""

from torch import nn
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours

from .declare import case, weighted


def convolutions(axes):
    """conv, and conv_transpose: with everything a kernel can do, and with nothing."""
    size, kernel = ((7,), (5, 4), (3, 3, 3))[axes - 1], (3, 2, 2)[:axes]
    f, like = getattr(F, f"conv{axes}d"), getattr(native, f"conv{axes}d")
    back, like_back = getattr(F, f"conv_transpose{axes}d"), getattr(native, f"conv_transpose{axes}d")
    slide, same = {"stride": 2, "dilation": (2, 1, 1)[:axes], "groups": 2}, {"padding": "same", "dilation": 2}
    module = (getattr(ours, f"Conv{axes}d"), getattr(nn, f"Conv{axes}d"), (2, 3, kernel))
    module_back = (getattr(ours, f"ConvTranspose{axes}d"), getattr(nn, f"ConvTranspose{axes}d"), (2, 3, kernel))
    whole, whole_back = (weighted((2, *size), W, (3,)) for W in ((3, 2, *kernel), (2, 3, *kernel)))
    grouped, grouped_back = (weighted((2, *size), (W, 1, *kernel), (b,)) for W, b in ((4, 4), (2, 2)))

    def call(f, **options):
        return lambda x, W, b: f(x, W, b, **options)

    def by_cropping(x, W, b):
        """PyTorch's second derivatives raise where there is an output_padding."""
        uncropped = like_back(x, W, **slide)
        return native.pad(uncropped, (-1, 0) * axes) + b.view(-1, *(1 for _ in size))

    title, rest = "stride 2, padding, dilation, groups", {"padding": 1, "output_padding": 1}
    return [
        case(f"conv{axes}d", f, like, whole, module=module),
        case(f"conv{axes}d", call(f, **slide, padding=1), call(like, **slide, padding=1), grouped, title=title),
        case(f"conv{axes}d", call(f, **same), call(like, **same), whole, title="same size"),
        case(f"conv_transpose{axes}d", back, like_back, whole_back, module=module_back),
        case(f"conv_transpose{axes}d", call(back, **slide, **rest), call(like_back, **slide, **rest), grouped_back,
             by_cropping, title=title),
    ]  # fmt: skip


def far(f):
    """An output padded by more than the stride, which a larger dilation allows."""
    return lambda x, W, b: f(x, W, b, stride=2, padding=1, output_padding=3, dilation=4)


def far_by_hand(x, W, b):
    return native.pad(native.conv_transpose1d(x, W, stride=2, dilation=4), (-1, 2)) + b[:, None]


def conv_tbc(x, W, b):
    """PyTorch's own has no forward mode, and rounds each product."""
    return native.conv1d(x.permute(1, 2, 0), W.permute(2, 1, 0), b, padding=1).permute(2, 0, 1)


CASES = [
    *(c for axes in (1, 2, 3) for c in convolutions(axes)),
    case("conv_transpose1d", far(F.conv_transpose1d), far(native.conv_transpose1d), weighted((2, 5), (2, 3, 2), (3,)),
         far_by_hand, title="output padded beyond the stride"),
    case("conv_tbc", lambda x, W, b: F.conv_tbc(x, W, b, 1), conv_tbc,
         lambda draw, n: (draw(5, n, 2), draw(3, 2, 4), draw(4)),
         skip={"per_datapoint_gradients": "one datapoint of a batch has no batch axis"}),
]  # fmt: skip
