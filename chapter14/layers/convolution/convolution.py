"""Convolution: one small linear layer, slid over an image. Three maps, each linear in either of its two arguments.

    conv             x_out[n, m, p] = sum_ck W[m, c, k] x_in[n, c, p s + k d - pad]      images in, images out
    conv_transpose   L^x of conv, transposed: every entry of g adds W where conv read it    images out of g
    correlate        dJ/dW[m, c, k] = sum_np g[n, m, p] x_in[n, c, p s + k d - pad]         two images, a kernel

with stride s, dilation d, over 1 to 3 axes. <g, conv(x, W)> is linear in each of g, x and W, and the three maps are its
gradients. So the gradients of each map are the two others, with the arguments in another order.

ATen's one fast kernel for `correlate` is the weight gradient of `convolution_backward`. It is used here as a forward
primitive, a linear map like the others; it needs the shape of W, not its entries. Where each channel has a large kernel
of its own, that kernel is slow, and `correlate` is a convolution. A backward pass that is not itself differentiated
takes two of the maps from one call of that kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from ...layer.modes import is_eager
from ..core.arithmetic import sum_to_channels
from ..core.bilinear_map import BiasedMap, BilinearMap
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conj

#: Read once: the compiler breaks its graph at the call.
_HAS_ONEDNN = torch.backends.mkldnn.is_available()


class Slide(NamedTuple):
    """How the kernel slides over the image: one number an axis."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def rest(self, image: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """How many last entries of each axis no stride reaches: the output padding of the transposed convolution."""
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) % s
            for n, k, s, p, d in zip(image, kernel, self.stride, self.padding, self.dilation, strict=True)
        )


_CONV = torch.conv1d, torch.conv2d, torch.conv3d
_CONV_TRANSPOSE = torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d


class _Convolution(BiasedMap):
    autocast = "lower"
    transposed: ClassVar[bool]

    transpose_bias = staticmethod(sum_to_channels)

    @classmethod
    def backward_once(cls, needs, g, x, W, x_shape, W_shape, slide, *rest):
        """Where both are needed, `transpose_a` and `transpose_b` by one call of ATen's kernel, faster than two."""
        if not all(needs[:2]) or not g.numel() or g.is_complex() or _is_by_channel(x, g, W_shape, slide):
            return cls.backward(needs, g, x, W, x_shape, W_shape, slide, *rest)
        stride, padding, dilation, groups = slide
        how = stride, padding, dilation, cls.transposed, *(rest or [(0,) * len(stride)]), groups
        g_in = torch.ops.aten.convolution_backward(g, x, W, [g.shape[1]], *how, needs[:3])
        return *g_in, *[None] * (1 + len(rest))


class Conv(_Convolution):
    transposed = False
    letters = {"x": "B C ...", "W": "M C/groups ...", "b": "M"}

    @staticmethod
    def forward(x, W, b, slide):
        stride, padding, dilation, groups = slide
        return _CONV[len(stride) - 1](x, W, b, stride, padding, dilation, groups)

    @staticmethod
    def transpose_a(g, W, shape, slide):
        return conv_transpose(g, W, None, slide, slide.rest(shape[2:], W.shape[2:]))

    @staticmethod
    def transpose_b(g, x, shape, slide):
        return correlate(x, g, shape, slide)


class ConvTranspose(_Convolution):
    transposed = True
    letters = {"x": "B M ...", "W": "M C/groups ...", "b": "C"}
    title = "conv_transpose"

    @staticmethod
    def forward(x, W, b, slide, rest):
        if b is None and _is_product(x, W, slide):
            return torch.matmul(W.flatten(1).t(), x.flatten(2)).view(x.shape[0], W.shape[1], *x.shape[2:])
        stride, padding, dilation, groups = slide
        return _CONV_TRANSPOSE[len(stride) - 1](x, W, b, stride, padding, rest, groups, dilation)

    @staticmethod
    def transpose_a(g, W, shape, slide, rest):
        if not g.numel():  # all is cropped, and torch's kernel takes no axis of 0
            return broadcast_to(sum_to_size(g, [1] * g.ndim), shape)
        return conv(g, W, None, slide)

    @staticmethod
    def transpose_b(g, x, shape, slide, rest):
        return correlate(g, x, shape, slide)


def _is_product(x: Tensor, W: Tensor, slide: Slide) -> bool:
    """Whether the kernel is 1 x 1, so that it is a product; on a CPU up to three times as fast as torch's kernel."""
    places = all(k == 1 for k in W.shape[2:]) and all(s == 1 for s in slide.stride) and not any(slide.padding)
    return places and slide.groups == 1 and x.device.type == "cpu" and x.is_contiguous()


class Correlate(BilinearMap):
    autocast = "lower"
    letters = {"x": "B C ...", "g": "B M ..."}

    @staticmethod
    def forward(x, g, W_shape, slide, like=None):
        if not x.numel() or not g.numel():
            return g.new_zeros(W_shape)
        if torch.compiler.is_exporting():
            return _correlate_by_conv(x, g, W_shape, slide)
        if x.is_complex():  # there is no kernel
            parts = [[Correlate.forward(a, b, W_shape, slide) for b in (g.real, g.imag)] for a in (x.real, x.imag)]
            return torch.complex(parts[0][0] - parts[1][1], parts[0][1] + parts[1][0])
        if _is_by_channel(x, g, W_shape, slide):
            return _correlate_by_channel(x, g, W_shape, slide)
        stride, padding, dilation, groups = slide
        # Not an expanded tensor: the kernel would allocate and fill it.
        W = g.new_empty(W_shape) if like is None else like
        how = stride, padding, dilation, False, (0,) * len(stride), groups
        return torch.ops.aten.convolution_backward(g, x, W, None, *how, (False, True, False))[1]

    @staticmethod
    def transpose_a(G, g, shape, W_shape, slide):
        return conv_transpose(g, G, None, slide, slide.rest(shape[2:], W_shape[2:]))

    @staticmethod
    def transpose_b(G, x, shape, W_shape, slide):
        return conv(x, G, None, slide)


class _Fused(_Convolution):
    """It always remembers W: the kernel of `correlate` copies a W that is not in the format that the compiler chose."""

    backward_once = None  # type: ignore[assignment]  # it is compiled

    @staticmethod
    def remember(needs, inputs, x_out):
        x, W, _, *how = inputs
        return x if needs[1] else None, W, x.shape, *how

    @classmethod
    def backward(cls, needs, g, x, W, x_shape, *how):
        return (
            cls.transpose_a(g, conj(W), x_shape, *how) if needs[0] else None,
            cls.transpose_b(g, conj(x), W, *how) if needs[1] else None,
            cls.transpose_bias(g) if needs[2] else None,
            *[None] * len(how),
        )


class FusedConv(_Fused, Conv):
    @staticmethod
    def transpose_b(g, x, W, slide):
        return Correlate.forward(x, g, W.shape, slide, W)


class FusedConvTranspose(_Fused, ConvTranspose):
    @staticmethod
    def transpose_b(g, x, W, slide, rest):
        return Correlate.forward(g, x, W.shape, slide, W)


Conv.fused, ConvTranspose.fused = FusedConv, FusedConvTranspose


def _is_by_channel(x: Tensor, g: Tensor, W_shape: Sequence[int], slide: Slide) -> bool:
    """Whether each channel has its own kernel, larger than 3 x 3: then torch's kernel is up to twenty times slower."""
    alone = slide.groups == x.shape[1] == g.shape[1] and len(W_shape) == 4 and W_shape[2] * W_shape[3] > 9
    return alone and _HAS_ONEDNN and x.dtype == torch.float32 and x.device.type == "cpu" and is_eager(x, g)


def _correlate_by_channel(x: Tensor, g: Tensor, W_shape: Sequence[int], slide: Slide) -> Tensor:
    """Each channel of g slides over its own of x, with stride and dilation exchanged."""
    stride, padding, dilation, _ = slide
    (B, C), (height, width) = x.shape[:2], W_shape[2:]
    images, kernels = x.reshape(1, B * C, *x.shape[2:]), g.reshape(B * C, 1, *g.shape[2:])
    W = torch.conv2d(images, kernels, None, dilation, padding, stride, B * C)[..., :height, :width]
    return W.reshape(B, *W_shape).sum(0)


def _correlate_by_conv(x: Tensor, g: Tensor, W_shape: Sequence[int], slide: Slide) -> Tensor:
    """`Correlate` for export to ONNX, which has no such operator.

    g slides over x, with datapoints for channels, and with stride and dilation exchanged.
    """
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

    `rest` is less than the stride: `conv` of x_out has x's size.
    """
    return ConvTranspose.of(x, W, b, slide, tuple(rest))


def correlate(x: Tensor, g: Tensor, W_shape: Sequence[int], slide: Slide) -> Tensor:
    """x [B, C, *], g [B, M, *] → the gradient of W [M, C/groups, *], summed over the batch."""
    return Correlate.of(x, g, torch.Size(W_shape), slide)
