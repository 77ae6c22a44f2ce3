"""A convolution with its parameters fixed, bias and relu in one pass, and its way back: the forms that are fast.

    x_out = W * x_in + b                    g_in = g_out L^x, the transposed convolution

On a CPU in float32 the kernels are oneDNN's, with channels last and W laid out once as they want it; elsewhere torch's.
Back, with W flipped and its channels exchanged, a convolution of stride 1 is one itself.

An image of few channels, as the pixels are, is what the kernels are slow to go back to: they compute 16 channels, and
drop the rest. So more channels are made, and then rearranged:

    stride 1    the kernel's columns as channels: [M] → [C, columns], each moved by its column, and added up
    stride s    s x s pixels as channels: a convolution of stride 1, [M] → [C, s, s], and those are put in their places
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..layers.convolution import Slide

LAST = torch.channels_last
FEW = 4  # channels

_onednn: Any = getattr(torch.ops, "mkldnn", None)
_HAS_IT = torch.backends.mkldnn.is_available() and all(
    hasattr(_onednn, f"_{name}")
    for name in (
        "convolution_pointwise",
        "convolution_transpose_pointwise",
        "reorder_convolution_weight",
        "reorder_convolution_transpose_weight",
    )
)
if _HAS_IT:
    _conv = _onednn._convolution_pointwise.default
    _conv_transpose = _onednn._convolution_transpose_pointwise.default


def has_kernels(x: Tensor) -> bool:
    """Whether oneDNN computes with x."""
    return (
        _HAS_IT and x.dtype == torch.float32 and x.device.type == "cpu" and x.numel() > 0
        and torch.backends.mkldnn.enabled  # type: ignore[attr-defined]
    )  # fmt: skip


class Kernel:
    """x [B, C, H, W] → relu(W x + b) or W x + b, [B, M, H', W']; W [M, C/groups, kh, kw] as oneDNN wants it."""

    def __init__(self, W: Tensor, b: Tensor | None, slide: Slide, shape: Sequence[int], relu: bool = False):
        stride, padding, dilation, groups = map(_listed, slide)
        W = W.contiguous(memory_format=LAST)
        self.W = _onednn._reorder_convolution_weight(W, padding, stride, dilation, groups, list(shape))
        self.rest = b, padding, stride, dilation, groups, "relu" if relu else "none", [], ""

    def __call__(self, x: Tensor) -> Tensor:
        return _conv(x, self.W, *self.rest)


class Transposed:
    """g [B, M, H', W'] → g_in [B, C, H, W]: as `Kernel`, transposed, for any stride."""

    def __init__(self, W: Tensor, slide: Slide, extra: Sequence[int], shape: Sequence[int]):
        stride, padding, dilation, groups = map(_listed, slide)
        fixed = padding, list(extra), stride, dilation, groups
        self.W = _onednn._reorder_convolution_transpose_weight(W, *fixed, list(shape))
        self.rest = None, *fixed, "none", [], ""

    def __call__(self, g: Tensor) -> Tensor:
        return _conv_transpose(g, self.W, *self.rest)


class Columns:
    """g → g_in for few channels and stride 1: each column of the kernel on its own."""

    def __init__(self, W: Tensor, slide: Slide, shape: Sequence[int]):
        M, C, kh, kw = W.shape
        up, self.left = slide.padding
        turned = W.flip(2).permute(1, 3, 0, 2).reshape(C * kw, M, kh, 1)
        self.C, self.columns = C, kw
        self.kernel = Kernel(turned, None, Slide((1, 1), (kh - 1 - up, 0), (1, 1), 1), shape)

    def __call__(self, g: Tensor) -> Tensor:
        each = self.kernel(g)
        B, _, H, n = each.shape
        x = each.new_zeros(B, self.C, H, n + self.columns - 1)
        for j in range(self.columns):
            x[..., j : j + n] += each[:, j :: self.columns]
        return x[..., self.left : x.shape[-1] - self.left]


class Blocks:
    """g → g_in [B, C, H, W] for few channels and stride s: s x s pixels at a time.

    Pixel s u + r of the image sees, through tap d of the kernel, output o = u - e, where s e + r = d - padding: so the
    taps e of a kernel of stride 1, from `first` on.
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
        turned = V.flip(2, 4).permute(1, 3, 5, 0, 2, 4).reshape(C * s * s, M, taps, taps)
        self.size = [-(-n // s) for n in image]
        before = last
        after = max(n - 1 - first - (o - 1) for n, o in zip(self.size, shape[2:], strict=True))
        pad = max(before, after)
        self.start = pad - before
        self.kernel = Kernel(turned, None, Slide((1, 1), (pad, pad), (1, 1), 1), shape)

    def __call__(self, g: Tensor) -> Tensor:
        (H, W), s = self.size, self.s
        blocks = self.kernel(g)[:, :, self.start : self.start + H, self.start : self.start + W]
        B, C = len(g), blocks.shape[1] // s**2
        x = blocks.permute(0, 2, 3, 1).reshape(B, H, W, C, s, s).permute(0, 3, 1, 4, 2, 5).reshape(B, C, H * s, W * s)
        return x[:, :, : self.image[0], : self.image[1]]


def way_back(W: Tensor, slide: Slide, image: Sequence[int], shape: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """g [*shape] → g_in [B, C, *image], by the form that is fast."""
    (M, C, kh, kw), (stride, padding, dilation, groups) = W.shape, slide
    plain = groups == 1 and dilation == (1, 1) and C <= FEW and kh > 1 and kw > 1
    if stride == (1, 1):
        inside = all(p <= d * (k - 1) for p, d, k in zip(padding, dilation, (kh, kw), strict=True))
        if plain and inside:
            return Columns(W, slide, shape)
        if inside:
            return Kernel(*_turned(W, slide), shape)
    square = stride[0] == stride[1] and padding[0] == padding[1] and kh == kw
    if plain and square and stride[0] <= kh:
        return Blocks(W, slide, image, shape)
    return Transposed(W, slide, slide.rest(image, (kh, kw)), shape)


def _turned(W: Tensor, slide: Slide) -> tuple[Tensor, None, Slide]:
    """The convolution of stride 1 that goes back."""
    (M, C, *size), groups = W.shape, slide.groups
    turned = W.view(groups, M // groups, C, *size).transpose(1, 2).reshape(groups * C, M // groups, *size).flip(2, 3)
    padding = tuple(d * (k - 1) - p for d, k, p in zip(slide.dilation, size, slide.padding, strict=True))
    return turned, None, slide._replace(padding=padding)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
