"""Convolution: one small linear layer, slid over an image. Three maps, each linear in either of its two arguments.

    conv             x_out[n, m, p] = sum_ck W[m, c, k] x_in[n, c, p s + k d - pad]      images in, images out
    conv_transpose   its L^x, transposed: every entry of g writes W where conv read it      images back
    correlate        dJ/dW[m, c, k] = sum_np g[n, m, p] x_in[n, c, p s + k d - pad]         two images, a kernel

with stride s, dilation d, over 1 to 3 axes. Each is the way back of the others: of <g, conv(x, W)>, a number that is
linear in g, x and W, they are the three gradients. So all that there is to know is which argument goes where.

`correlate` has one fast kernel in ATen, `convolution_backward` asked for the weight alone. It is a forward primitive
here, a linear map like the others; the kernel wants the size of W, not its entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...layer import Layer
from ..core.arithmetic import added
from ..core.arrange import reshape
from ..core.branch import sum_to_size
from ..core.complex import conjugates


class Slide(NamedTuple):
    """How the kernel goes over the image: one number an axis."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def rest(self, image: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """How many of the last entries of each axis no stride reaches: what a transposed convolution has to add."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) % s
            for n, k, s, p, d in zip(image, kernel, self.stride, self.padding, self.dilation, strict=True)
        )


_CONV = torch.conv1d, torch.conv2d, torch.conv3d
_CONV_TRANSPOSE = torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d


def _bias_prime(g: Tensor) -> Tensor:
    """b branches to every datapoint and place (14.7), so its gradient adds up over them."""
    M = g.shape[1]
    return reshape(sum_to_size(g, (1, M, *(1 for _ in g.shape[2:]))), (M,))


class Conv(Layer):
    autocast = "lower"
    letters = {"x": "B C ...", "W": "M C/groups ...", "b": "M"}

    @staticmethod
    def forward(x, W, b, slide):
        stride, padding, dilation, groups = slide
        return _CONV[len(stride) - 1](x, W, b, stride, padding, dilation, groups)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, W, b, slide = inputs
        return x if needs[1] else None, W if needs[0] else None, x.shape, W.shape, slide

    @staticmethod
    def backward(needs, g, x, W, x_shape, W_shape, slide):
        rest, (x, W) = slide.rest(x_shape[2:], W_shape[2:]), conjugates(x, W)
        return (
            conv_transpose(g, W, None, slide, rest) if needs[0] else None,
            correlate(x, g, W_shape, slide) if needs[1] else None,
            _bias_prime(g) if needs[2] else None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, W, b, slide):
        dx, dW, db, _ = tangents
        if dx is None and dW is None:
            return conv(torch.zeros_like(x), torch.zeros_like(W), db, slide)
        return added(
            None if dx is None else conv(dx, W, db, slide),
            None if dW is None else conv(x, dW, db if dx is None else None, slide),
        )


class ConvTranspose(Layer):
    autocast = "lower"
    letters = {"x": "B M ...", "W": "M C/groups ...", "b": "C"}
    title = "conv_transpose"

    @staticmethod
    def forward(x, W, b, slide, rest):
        if b is None and _is_product(x, W, slide):
            return torch.matmul(W.flatten(1).t(), x.flatten(2)).view(x.shape[0], W.shape[1], *x.shape[2:])
        stride, padding, dilation, groups = slide
        return _CONV_TRANSPOSE[len(stride) - 1](x, W, b, stride, padding, rest, groups, dilation)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, W, b, slide, rest = inputs
        return x if needs[1] else None, W if needs[0] else None, W.shape, slide

    @staticmethod
    def backward(needs, g, x, W, W_shape, slide):
        x, W = conjugates(x, W)
        return (
            conv(g, W, None, slide) if needs[0] else None,
            correlate(g, x, W_shape, slide) if needs[1] else None,
            _bias_prime(g) if needs[2] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, W, b, slide, rest):
        dx, dW, db, *_ = tangents
        if dx is None and dW is None:
            return conv_transpose(torch.zeros_like(x), torch.zeros_like(W), db, slide, rest)
        return added(
            None if dx is None else conv_transpose(dx, W, db, slide, rest),
            None if dW is None else conv_transpose(x, dW, db if dx is None else None, slide, rest),
        )


def _is_product(x: Tensor, W: Tensor, slide: Slide) -> bool:
    """Whether each place is by itself: on a CPU one product is up to three times as fast as the kernel."""
    places = all(k == 1 for k in W.shape[2:]) and all(s == 1 for s in slide.stride) and not any(slide.padding)
    return places and slide.groups == 1 and x.device.type == "cpu" and x.is_contiguous()


class Correlate(Layer):
    autocast = "lower"
    letters = {"x": "B C ...", "g": "B M ..."}

    @staticmethod
    def forward(x, g, W_shape, slide):
        if not x.numel() or not g.numel():
            return g.new_zeros(W_shape)
        if torch.compiler.is_exporting():
            return _correlate_by_conv(x, g, W_shape, slide)
        if x.is_complex():  # for which there is no kernel
            parts = [[Correlate.forward(a, b, W_shape, slide) for b in (g.real, g.imag)] for a in (x.real, x.imag)]
            return torch.complex(parts[0][0] - parts[1][1], parts[0][1] + parts[1][0])
        stride, padding, dilation, groups = slide
        rest, wanted = (0,) * len(stride), (False, True, False)
        W = g.new_empty(W_shape)  # not an expanded one: the kernel would give it memory, and fill it
        return torch.ops.aten.convolution_backward(
            g, x, W, None, stride, padding, dilation, False, rest, groups, wanted
        )[1]

    @staticmethod
    def remember(needs, inputs, x_out):
        x, g, W_shape, slide = inputs
        return x if needs[1] else None, g if needs[0] else None, x.shape, W_shape, slide

    @staticmethod
    def backward(needs, G, x, g, x_shape, W_shape, slide):
        rest, (x, g) = slide.rest(x_shape[2:], W_shape[2:]), conjugates(x, g)
        return (
            conv_transpose(g, G, None, slide, rest) if needs[0] else None,
            conv(x, G, None, slide) if needs[1] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, g, W_shape, slide):
        dx, dg, *_ = tangents
        return added(
            None if dx is None else correlate(dx, g, W_shape, slide),
            None if dg is None else correlate(x, dg, W_shape, slide),
        )


def _correlate_by_conv(x: Tensor, g: Tensor, W_shape: Sequence[int], slide: Slide) -> Tensor:
    """As `Correlate`, for what is exported, to ONNX, which has no kernel for it: g slides over x, with datapoints for
    channels, and with stride and dilation exchanged."""
    stride, padding, dilation, groups = slide
    B, C = x.shape[0], x.shape[1] // groups
    images = x.reshape(B, groups, C, *x.shape[2:]).transpose(0, 2).reshape(C, groups * B, *x.shape[2:])
    W = _CONV[len(stride) - 1](images, g.transpose(0, 1), None, dilation, padding, stride, groups).transpose(0, 1)
    for axis, k in enumerate(W_shape[2:], 2):
        W = W.narrow(axis, 0, k)
    return W


def conv(x: Tensor, W: Tensor, b: Tensor | None, slide: Slide) -> Tensor:
    """x [B, C, *], W [M, C/groups, *], b [M] → [B, M, *]."""
    return Conv.of(x, W, b, slide)


def conv_transpose(x: Tensor, W: Tensor, b: Tensor | None, slide: Slide, rest: Sequence[int]) -> Tensor:
    """x [B, M, *], W [M, C/groups, *], b [C] → [B, C, *], with `rest` more entries at the end of each axis.

    `rest` is less than the stride: `conv` of x_out is as large as x.
    """
    return ConvTranspose.of(x, W, b, slide, tuple(rest))


def correlate(x: Tensor, g: Tensor, W_shape: Sequence[int], slide: Slide) -> Tensor:
    """x [B, C, *], g [B, M, *] → the gradient of W [M, C/groups, *], added up over the batch."""
    return Correlate.of(x, g, torch.Size(W_shape), slide)
