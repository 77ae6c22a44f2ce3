"""The steps of a network that is straight lines with kinks, its parameters fixed: each x_out = A x_in + b.

    Convolution    A = W slid over the image, batch norm folded into W and b
    Affine         A = diag a, channel by channel: batch norm that stands alone
    Linear         A = W
    Mean           A = the mean of each window
    Add, Merge     A = [I, I], [I 0; 0 I]            Flatten    A = I
    MaxPool        A = one 1 a row, where the largest is; 4 bits an entry say where

A step says what it is from both sides: `forward` computes A x + b, `back` g A, `along` A dx. What A depends on, an
entry of `kept`, comes from `forward` and goes to the other two; `like` is the shapes of x_in. A relu after a step is
the step's own, `relu`: the chain sees to its mask; only where a step can do both at once does `forward` know.

Images lie with channels last: g in another order is brought to it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.convolution import Slide
from ..layers.pool import Parts, Windows
from .convolution import LAST, Kernel, has_kernels, way_back


class Unfit(Exception):
    """What came is not what the step was made for: the network has to run as it was written."""


class Step(nn.Module):
    """One step. `relu` says whether x_out = relu(A x + b); `width` is how many bits an entry `kept` takes."""

    relu = False
    fresh = True  # whether `back` makes new memory

    @property
    def width(self) -> int:
        return 1 if self.relu else 0

    def run(self, x: Sequence[Tensor], keep: bool) -> tuple[Tensor, Tensor | None]:
        """x_out, and `kept` [|x_out|] uint8 where there is something to keep."""
        x_out = self(*x)
        return x_out, flat(x_out).bool() if keep and self.relu else None  # bool(NaN) is True, as torch has it

    def gated(self, g: Tensor, kept: Tensor | None) -> Tensor:
        """g where relu lets it through, in new memory."""
        if not self.relu:
            return g
        assert kept is not None
        if g.ndim != 4:
            return kept.to(g.dtype).view(g.shape).mul_(g)
        g = g.permute(0, 2, 3, 1)
        return kept.to(g.dtype).view(g.shape).mul_(g).permute(0, 3, 1, 2)

    def back(self, g: Tensor, like: Sequence[torch.Size], kept: Any) -> Sequence[Tensor]:
        raise NotImplementedError

    def along(self, dx: Sequence[Tensor], kept: Any) -> Tensor:
        raise NotImplementedError


def flat(x: Tensor) -> Tensor:
    """x as one row, an image with its channels last."""
    return x.permute(0, 2, 3, 1).reshape(-1) if x.ndim == 4 else x.reshape(-1)


def fit(fits: bool) -> None:
    if not fits:
        raise Unfit


def last(x: Tensor) -> Tensor:
    """An image with its channels last in memory."""
    return x.contiguous(memory_format=LAST) if x.ndim == 4 else x.contiguous()


class Convolution(Step):
    """x [B, C, H, W] → W x + b, [B, M, H', W']."""

    def __init__(self, W: Tensor, b: Tensor | None, slide: Slide):
        super().__init__()
        self.W: Tensor
        self.b: Tensor | None
        self.register_buffer("W", W)
        self.register_buffer("b", b)
        self.slide = slide
        self._kernels: dict[Any, tuple[Tensor, Any]] = {}

    def forward(self, x):
        fit(x.ndim == 4 and x.shape[1] == self.W.shape[1] * self.slide.groups and x.dtype == self.W.dtype)
        if has_kernels(x):
            return self._kernel("forward", lambda: Kernel(self.W, self.b, self.slide, x.shape, self.relu))(x)
        x_out = last(self._plain(x, self.b))
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        (shape,) = like
        if has_kernels(g):
            g, image = last(g), shape[2:]
            once = self.slide.stride == (1, 1)
            return (self._kernel(None if once else image, lambda: way_back(self.W, self.slide, image, g.shape))(g),)
        stride, padding, dilation, groups = self.slide
        rest = self.slide.rest(shape[2:], self.W.shape[2:])
        return (torch.conv_transpose2d(g, self.W, None, stride, padding, rest, groups, dilation),)

    def along(self, dx, kept):
        (dx,) = dx
        if has_kernels(dx):
            return self._kernel("along", lambda: Kernel(self.W, None, self.slide, dx.shape))(dx)
        return last(self._plain(dx, None))

    def _plain(self, x: Tensor, b: Tensor | None) -> Tensor:
        stride, padding, dilation, groups = self.slide
        return torch.conv2d(x, self.W, b, stride, padding, dilation, groups)

    def _kernel(self, which: Any, made: Any) -> Any:
        """Made once, and again where W has been moved."""
        W, kernel = self._kernels.get(which, (None, None))
        if W is not self.W:
            kernel = made()
            self._kernels[which] = self.W, kernel
        return kernel

    def __getstate__(self):
        return {**super().__getstate__(), "_kernels": {}}


class Affine(Step):
    """x [B, C, ...] → a x + c, a and c [C]."""

    def __init__(self, a: Tensor, c: Tensor):
        super().__init__()
        self.a: Tensor
        self.c: Tensor
        self.register_buffer("a", a)
        self.register_buffer("c", c)

    def forward(self, x):
        x_out = torch.addcmul(self._over(self.c, x), x, self._over(self.a, x))
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        return (g * self._over(self.a, g),)

    def along(self, dx, kept):
        return dx[0] * self._over(self.a, dx[0])

    @staticmethod
    def _over(a: Tensor, x: Tensor) -> Tensor:
        return a.view(-1, *[1] * (x.ndim - 2))


class Linear(Step):
    """x [..., N] → W x + b, [..., M]."""

    def __init__(self, W: Tensor, b: Tensor | None):
        super().__init__()
        self.W: Tensor
        self.b: Tensor | None
        self.register_buffer("W", W)
        self.register_buffer("b", b)

    def forward(self, x):
        x_out = nn.functional.linear(x, self.W, self.b)
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        return (g @ self.W,)

    def along(self, dx, kept):
        return nn.functional.linear(dx[0], self.W)


class Relu(Step):
    """x → relu x, on its own."""

    fresh = False

    relu = True

    def forward(self, x):
        return x.relu()

    def back(self, g, like, kept):
        return (g,)

    def along(self, dx, kept):
        return dx[0]


class Add(Step):
    """a, b of one shape → a + b."""

    fresh = False

    def forward(self, a, b):
        fit(isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and a.dtype == b.dtype)
        x_out = a + b
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        return g, g

    def along(self, dx, kept):
        return dx[0] + dx[1]


class Merge(Step):
    """Images side by side in their channels: [B, C, H, W], [B, D, H, W], ... → [B, C + D + ..., H, W]."""

    fresh = False

    def forward(self, *x):
        x_out = torch.cat(x, 1)
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        return g.split([shape[1] for shape in like], 1)

    def along(self, dx, kept):
        return torch.cat(list(dx), 1)


class Flatten(Step):
    """x [B, ...] → [B, N]."""

    fresh = False

    def forward(self, x):
        return x.flatten(1)

    def back(self, g, like, kept):
        return (g.reshape(like[0]),)

    def along(self, dx, kept):
        return dx[0].flatten(1)


class Mean(Step):
    """x [B, C, H, W] → the mean of each window."""

    fresh = False

    def __init__(self, windows: Windows | Parts):
        super().__init__()
        self.windows = windows

    def forward(self, x):
        x_out = self.windows.mean(x)
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        if self.windows == Parts((1, 1)):
            return ((g / like[0][2:].numel()).expand(like[0]),)
        for axis in (1, 0):
            g = self.windows.share_out(g, axis, like[0][axis - 2])
        return (g,)

    def along(self, dx, kept):
        return self.windows.mean(dx[0])


class MaxPool(Step):
    """x [B, C, H, W] → the largest of each window, and its relu. Kept: 1 + which of the window, 0 where relu is flat.

    relu(max x) = max(relu x): a relu before a pool comes after it, where there are fewer entries.
    """

    def __init__(self, size: int, stride: int, padding: int, ceil_mode: bool):
        super().__init__()
        self.size, self.stride, self.padding, self.ceil_mode = size, stride, padding, ceil_mode

    @property
    def width(self) -> int:
        return 4 if self.size**2 < 16 else 8

    def run(self, x, keep):
        (x,) = x
        fit(x.ndim == 4)
        x_out, index = nn.functional.max_pool2d(
            last(x), self.size, self.stride, self.padding, 1, self.ceil_mode, return_indices=True
        )
        x_out = x_out.relu_() if self.relu else x_out
        if not keep:
            return x_out, None
        which = self._which(x.shape[3], index.device)[flat(index.sub_(self._first(x.shape[3], index)))]
        return x_out, which.mul_(flat(x_out).bool().view(torch.uint8)) if self.relu else which

    def _first(self, W: int, index: Tensor) -> Tensor:
        """Where each window begins, in an image laid flat: [h, w]."""
        y, x = (torch.arange(n, device=index.device) * self.stride - self.padding for n in index.shape[2:])
        return y[:, None] * W + x

    def _which(self, W: int, device: torch.device) -> Tensor:
        """How far from there → 1 + which of the window."""
        place = torch.arange(self.size, device=device)
        table = torch.zeros((self.size - 1) * W + self.size, dtype=torch.uint8, device=device)
        table[(place[:, None] * W + place).reshape(-1)] = torch.arange(1, self.size**2 + 1, dtype=torch.uint8).to(device)
        return table

    def back(self, g, like, kept):
        H, W = like[0][2:]
        g = g.permute(0, 2, 3, 1)
        x = g.new_zeros(self._padded(like[0], g.shape[1:3]))
        for places, there in self._places(x, g.shape, kept):
            places += there.to(g.dtype).mul_(g)
        p = self.padding
        return (x[:, p : p + H, p : p + W].permute(0, 3, 1, 2),)

    def along(self, dx, kept):
        (dx,) = dx
        shape = self.windows(dx.shape)
        x = dx.new_zeros(self._padded(dx.shape, shape[1:3]))
        x[:, self.padding :, self.padding :][:, : dx.shape[2], : dx.shape[3]] = dx.permute(0, 2, 3, 1)
        there = [places * there.to(dx.dtype) for places, there in self._places(x, shape, kept)]
        return functools.reduce(Tensor.add_, there).permute(0, 3, 1, 2)

    def windows(self, shape: torch.Size) -> tuple[int, ...]:
        """[B, C, H, W] → [B, h, w, C]"""
        pooled = nn.functional.max_pool2d(
            torch.empty(shape, device="meta"), self.size, self.stride, self.padding, 1, self.ceil_mode
        )
        B, C, h, w = pooled.shape
        return B, h, w, C

    def gated(self, g, kept):
        return g

    def _padded(self, shape: torch.Size, windows: Sequence[int]) -> tuple[int, ...]:
        """[B, C, H, W] → [B, H, W, C], with all that the windows see."""
        B, C, *image = shape
        p = self.padding
        H, W = (max((o - 1) * self.stride + self.size, n + 2 * p) for o, n in zip(windows, image, strict=True))
        return B, H, W, C

    def _places(self, x: Tensor, shape: Sequence[int], kept: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Each place in the windows: there, x [B, H, W, C] → [B, h, w, C], and whether the largest is there."""
        h, w = shape[1:3]
        kept = kept.view(shape)
        for i in range(self.size):
            for j in range(self.size):
                rows, columns = (
                    slice(k, k + (n - 1) * self.stride + 1, self.stride) for k, n in ((i, h), (j, w))
                )
                yield x[:, rows, columns], (kept == 1 + i * self.size + j).view(torch.uint8)
