"""Small layers and Functions that several tests use."""

from torch.autograd import Function

import chapter14
import chapter14.functional as F
from chapter14.layers.core.arithmetic import added


class Product(chapter14.Layer):
    """x_out = x w, entry by entry, with no more than each gradient needs."""

    @staticmethod
    def forward(x, w):
        return x * w

    @staticmethod
    def remember(needs, inputs, x_out):
        x, w = inputs
        return x if needs[1] else None, w if needs[0] else None

    @staticmethod
    def backward(needs, g, x, w):
        return F.mul(g, w) if needs[0] else None, F.mul(g, x) if needs[1] else None

    @staticmethod
    def jvp(tangents, x, w):
        dx, dw = tangents
        return added(None if dx is None else F.mul(dx, w), None if dw is None else F.mul(x, dw))


class RoundStraight(Function):
    """Rounding, with a gradient as if there were none."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g
