"""A convolution with fixed parameters, with bias and relu in one kernel, and its backward pass.

    x_out = W * x_in + b                    g_in = g_out L^x, the transposed convolution

On a CPU, in float32 and bfloat16, the kernels are oneDNN's, on channels-last images, with W stored once in oneDNN's
layout; elsewhere they are PyTorch's. For stride 1 the backward pass is itself a convolution, with W flipped and its
channels exchanged.

For an input of few channels, such as pixels, oneDNN's backward kernel is slow: it computes 16 channels and drops the
rest. So the backward pass computes more channels, and then rearranges them:

    stride 1    the kernel's columns as channels: [M] → [C, columns], each shifted by its column, then summed
    stride s    s x s pixels as channels: a convolution of stride 1, [M] → [C, s, s], then shuffled to pixels
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from ..layers.convolution.convolution import Slide

LAST = torch.channels_last
#: Up to this many channels are few.
FEW = 4
#: Up to this many multiplications oneDNN takes longer to start than to compute.
SMALL = 2**24

_onednn: Any = getattr(torch.ops, "mkldnn", None)
_HAS_IT = torch.backends.mkldnn.is_available() and all(
    hasattr(_onednn, f"_{name}")
    for name in (
        "convolution_pointwise",
        "convolution_transpose_pointwise",
        "reorder_convolution_weight",
        "reorder_convolution_transpose_weight",
        "linear_pointwise",
        "reorder_linear_weight",
    )
)
if _HAS_IT:
    _conv = _onednn._convolution_pointwise.default
    _conv_transpose = _onednn._convolution_transpose_pointwise.default
    _linear = _onednn._linear_pointwise.default
_DTYPES = {torch.float32}
if _HAS_IT and _onednn._is_mkldnn_bf16_supported():
    _DTYPES.add(torch.bfloat16)


Kernel = Callable[[Tensor], Tensor]


class OneDnnConvolution:
    """x [B, C, H, W] → relu(W x + b) or W x + b, [B, M, H', W']; W [M, C/groups, kh, kw] as `reordered` returns it."""

    def __init__(self, W: Tensor, b: Tensor | None, slide: Slide, relu: bool = False):
        stride, padding, dilation, groups = map(_listed, slide)
        self.rest: Any = W, b, padding, stride, dilation, groups, "relu" if relu else "none", [], ""

    def __call__(self, x: Tensor) -> Tensor:
        return _conv(x, *self.rest)


def reordered(W: Tensor, slide: Slide, shape: Sequence[int]) -> Tensor:
    """W in oneDNN's fastest layout for x [*shape]; it is correct for other shapes too."""
    stride, padding, dilation, groups = map(_listed, slide)
    W = W.contiguous(memory_format=LAST)
    return _onednn._reorder_convolution_weight(W, padding, stride, dilation, groups, list(shape))


class PointwiseConvolution:
    """x [B, C, H, W] → relu(W x + b) or W x + b for W [M, C, 1, 1], as one product: for small images."""

    def __init__(self, W: Tensor, b: Tensor | None, relu: bool = False):
        self.W, self.b, self.relu = W.flatten(1), b, relu

    def __call__(self, x: Tensor) -> Tensor:
        x_out = linear(x.permute(0, 2, 3, 1), self.W, self.b)
        return (x_out.relu_() if self.relu else x_out).permute(0, 3, 1, 2)


class OneDnnLinear:
    """x [..., N] → relu(W x + b) or W x + b, W [M, N] in oneDNN's layout for `rows` rows."""

    def __init__(self, W: Tensor, b: Tensor | None, rows: int, relu: bool = False):
        self.W = _onednn._reorder_linear_weight(W.contiguous(), rows)
        self.rest: Any = b, "relu" if relu else "none", [], ""

    def __call__(self, x: Tensor) -> Tensor:
        return _linear(x, self.W, *self.rest)


class OneDnnTransposed:
    """g [B, M, H', W'] → g_in [B, C, H, W]: the transpose of `OneDnnConvolution`, for any stride."""

    def __init__(self, W: Tensor, slide: Slide, extra: Sequence[int], shape: Sequence[int]):
        stride, padding, dilation, groups = map(_listed, slide)
        fixed = padding, list(extra), stride, dilation, groups
        self.W = _onednn._reorder_convolution_transpose_weight(W, *fixed, list(shape))
        self.rest: Any = None, *fixed, "none", [], ""

    def __call__(self, g: Tensor) -> Tensor:
        return _conv_transpose(g, self.W, *self.rest)


class ColumnTransposed:
    """g → g_in for few channels and stride 1, with the kernel's columns as channels."""

    def __init__(self, W: Tensor, slide: Slide, shape: Sequence[int]):
        M, C, kh, kw = W.shape
        up, self.left = slide.padding
        flipped = W.flip(2).permute(1, 3, 0, 2).reshape(C * kw, M, kh, 1)
        self.C, self.columns = C, kw
        slid = Slide((1, 1), (kh - 1 - up, 0), (1, 1), 1)
        self.kernel = OneDnnConvolution(reordered(flipped, slid, shape), None, slid)

    def __call__(self, g: Tensor) -> Tensor:
        each = self.kernel(g)
        B, _, H, n = each.shape
        x = each.new_zeros(B, self.C, H, n + self.columns - 1)
        for j in range(self.columns):
            x[..., j : j + n] += each[:, j :: self.columns]
        return x[..., self.left : x.shape[-1] - self.left]


class BlockTransposed:
    """g → g_in [B, C, H, W] for few channels and stride s, with s x s pixels as channels.

    Pixel s u + r contributes, through tap d of the kernel, to output o = u - e, where s e + r = d - padding: so e are
    the taps, starting at `first`, of a kernel of stride 1.
    """

    def __init__(self, W: Tensor, slide: Slide, image: Sequence[int], shape: Sequence[int]):
        (M, C), (s, _), (p, _) = W.shape[:2], slide.stride, slide.padding
        self.s, self.image = s, tuple(image)
        first, last = -p // s, (W.shape[2] - 1 - p) // s
        taps = last - first + 1
        V = W.new_zeros(M, C, taps, s, taps, s)
        for i in range(W.shape[2]):
            for j in range(W.shape[3]):
                (e, r), (f, t) = divmod(i - p, s), divmod(j - p, s)
                V[:, :, e - first, r, f - first, t] = W[:, :, i, j]
        flipped = V.flip(2, 4).permute(1, 3, 5, 0, 2, 4).reshape(C * s * s, M, taps, taps)
        self.size = [-(-n // s) for n in image]
        before = last
        after = max(n - 1 - first - (o - 1) for n, o in zip(self.size, shape[2:], strict=True))
        pad = max(before, after)
        self.start = pad - before
        slid = Slide((1, 1), (pad, pad), (1, 1), 1)
        self.kernel = OneDnnConvolution(reordered(flipped, slid, shape), None, slid)

    def __call__(self, g: Tensor) -> Tensor:
        (H, W), s = self.size, self.s
        blocks = self.kernel(g)[:, :, self.start : self.start + H, self.start : self.start + W]
        B, C = len(g), blocks.shape[1] // s**2
        x = blocks.permute(0, 2, 3, 1).reshape(B, H, W, C, s, s).permute(0, 3, 1, 4, 2, 5).reshape(B, C, H * s, W * s)
        return x[:, :, : self.image[0], : self.image[1]]


class TorchConvolution:
    """x [B, C, H, W] → relu(W x + b) or W x + b, by PyTorch."""

    def __init__(self, W: Tensor, b: Tensor | None, slide: Slide, relu: bool = False):
        self.W, self.b, self.relu, self.slide = W, b, relu, slide

    def __call__(self, x: Tensor) -> Tensor:
        x_out = torch.conv2d(x, self.W, self.b, *self.slide).contiguous(memory_format=LAST)
        return x_out.relu_() if self.relu else x_out


class ConvolutionWeights:
    """a W and b, a [M] and W [M, C/groups, kh, kw], and the kernels made from them, for x and g of each shape.

    a W is stored once for each pass, for images of all sizes.
    """

    def __init__(self, W: Tensor, a: Tensor | None, b: Tensor | None, slide: Slide):
        self.W, self.a, self.b, self.slide = W, a, b, slide
        self.version = W._version
        self.kernels: dict[Any, Kernel] = {}
        self._made: dict[Any, Any] = {}

    def _aW(self) -> Tensor:
        return self.W if self.a is None else self.a.view(-1, 1, 1, 1) * self.W

    def bound(self, x: float) -> float:
        """An upper bound of |a W x + b|, given one of |x|."""
        aW = self._once("bound", lambda: self._aW().float().abs().sum((1, 2, 3)).max().item())
        b = self.b
        return aW * x + (0.0 if b is None else self._once("b", lambda: b.float().abs().max().item()))

    def forward(self, x: Tensor, has_bias: bool, relu: bool) -> Kernel:
        """x → relu(a W x + b), or without relu or b. oneDNN's relu of NaN is 0, so relu requires finite values."""
        b = self.b if has_bias else None
        if not has_kernels(x):
            return TorchConvolution(self._aW(), b, self.slide, relu)
        if _is_product(self.W.shape, self.slide, x.shape):
            return PointwiseConvolution(self._aW(), b, relu)
        W = self._once("forward", lambda: reordered(self._aW(), self.slide, x.shape))
        return OneDnnConvolution(W, b, self.slide, relu)

    def backward(self, g: Tensor, image: Sequence[int]) -> Kernel:
        """g → g_in [B, C, *image]."""
        slide = self.slide
        (_, C, kh, kw), (stride, padding, dilation, groups) = self.W.shape, slide
        rest = slide.rest(image, (kh, kw))
        if not has_kernels(g):
            W = self._aW()
            return lambda g: torch.conv_transpose2d(g, W, None, stride, padding, rest, groups, dilation)
        few = groups == 1 and dilation == (1, 1) and C <= FEW and kh > 1 and kw > 1
        if stride == (1, 1) and all(p <= d * (k - 1) for p, d, k in zip(padding, dilation, (kh, kw), strict=True)):
            if few:
                return ColumnTransposed(self._aW(), slide, g.shape)
            if _is_product(self.W.shape, slide, g.shape):
                return PointwiseConvolution(_flipped(self._aW(), groups), None)
            p, q = (d * (k - 1) - p for d, k, p in zip(dilation, (kh, kw), padding, strict=True))
            slid = slide._replace(padding=(p, q))
            flipped = self._once("backward", lambda: reordered(_flipped(self._aW(), groups), slid, g.shape))
            return OneDnnConvolution(flipped, None, slid)
        if few and stride[0] == stride[1] <= kh == kw and padding[0] == padding[1] < kh:
            return BlockTransposed(self._aW(), slide, image, g.shape)
        return self._once(rest, lambda: OneDnnTransposed(self._aW(), slide, rest, g.shape))

    def _once(self, which: Any, make: Callable[[], Any]) -> Any:
        if which not in self._made:
            self._made[which] = make()
        return self._made[which]


def has_kernels(x: Tensor) -> bool:
    """Whether oneDNN has kernels for x."""
    enabled = bool(torch.backends.mkldnn.enabled)  # type: ignore[attr-defined]
    return _HAS_IT and enabled and x.dtype in _DTYPES and x.device.type == "cpu" and x.numel() > 0


def _is_product(W: Sequence[int], slide: Slide, shape: Sequence[int]) -> bool:
    B, _, H, width = shape
    return tuple(W[2:]) == (1, 1) and slide == ((1, 1), (0, 0), (1, 1), 1) and B * H * width * W[0] * W[1] <= SMALL


def _flipped(W: Tensor, groups: int) -> Tensor:
    """W of the convolution that is the transpose of one of stride 1."""
    M, C, *size = W.shape
    return W.view(groups, M // groups, C, *size).transpose(1, 2).reshape(groups * C, M // groups, *size).flip(2, 3)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
