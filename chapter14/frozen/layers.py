"""The steps of a network that is straight lines with kinks, its parameters fixed: each x_out = A x_in + b.

    FrozenConvolution    A = W slid over the image, batch norm folded into W and b
    FrozenAffine         A = diag a, channel by channel: batch norm that stands alone
    FrozenLinear         A = W
    FrozenAvgPool           A = the mean of each window
    FrozenAdd, FrozenMerge     A = [I, I], [I 0; 0 I]            FrozenFlatten    A = I

A step says what it is from both sides: `forward` computes A x + b, `back` g A, `along` A dx. What A depends on, an
entry of `kept`, comes from `forward` and goes to the other two; `like` is the shapes of x_in, [B, ...], of which g and
dx may be K times as many, [K B, ...]. A relu after a step is the step's own, `relu`: the chain sees to its mask; only
where a step can do both at once does `forward` know.

Images lie with channels last: g in another order is brought to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.convolution.convolution import Slide
from ..layers.pool.avg_pool import AdaptiveWindows, Windows
from .fused_convolution import LAST, ConvolutionWeights, Form, OneDnnLinear, has_kernels


class Unfit(Exception):
    """What came is not what the step was made for: the network has to run as it was written."""


class FrozenLayer(nn.Module):
    """One step. `relu` says whether x_out = relu(A x + b)."""

    relu = False
    fresh = True  # whether `back` makes new memory
    keeps = False  # whether the step keeps something itself

    @property
    def gates(self) -> bool:
        """Whether the chain keeps which entries relu lets through."""
        return self.relu

    def rounded(self, dtype: torch.dtype) -> None:
        """Its parameters, in a dtype of less precision: in memory of their own."""
        self.to(dtype)

    def alike(self, other: nn.Module) -> bool:
        """Whether it computes the same, from the same parameters."""
        if type(self) is not type(other):
            return False
        ours, theirs = self.__getstate__(), other.__getstate__()
        both = zip(ours.pop("_buffers").values(), theirs.pop("_buffers").values(), strict=True)
        inner = zip(ours.pop("_modules").values(), theirs.pop("_modules").values(), strict=True)
        return (
            ours == theirs
            and all(a is b or (a is not None and b is not None and _equal(a, b)) for a, b in both)
            and all(a is b or (a is not None and a.alike(b)) for a, b in inner)
        )

    def run(self, x: Sequence[Tensor], keep: bool, finite: bool) -> tuple[Tensor, Tensor | None]:
        """x_out, and what the step itself keeps: a row of bytes. `finite`: there is no NaN before the relu."""
        return self.forward(*x), None

    def bound(self, x: Sequence[float]) -> float:
        """The largest |x_out| that there can be, of those of |x_in|; infinite where the step does not say."""
        return max(x)

    def back(self, g: Tensor, like: Sequence[torch.Size], kept: Any) -> Sequence[Tensor]:
        raise NotImplementedError

    def along(self, dx: Sequence[Tensor], like: Sequence[torch.Size], kept: Any) -> Tensor:
        raise NotImplementedError


def _equal(a: Tensor, b: Tensor) -> bool:
    lies = [(t.data_ptr(), t.shape, t.stride(), t.dtype) for t in (a, b)]
    return lies[0] == lies[1] or (a.dtype == b.dtype and a.device == b.device and torch.equal(a, b))


def fit(fits: bool) -> None:
    if not fits:
        raise Unfit


def last(x: Tensor) -> Tensor:
    """An image with its channels last in memory."""
    return x.contiguous(memory_format=LAST) if x.ndim == 4 else x.contiguous()


class FrozenConvolution(FrozenLayer):
    """x [B, C, H, W] → a W x + b, [B, M, H', W']; a [M] is batch norm's, or None.

    a W is nowhere kept but as the forms want it, which there is one of for each shape that came.
    """

    def __init__(self, W: Tensor, b: Tensor | None, slide: Slide):
        super().__init__()
        self.W: Tensor
        self.a: Tensor | None
        self.b: Tensor | None
        for name, value in (("W", W), ("a", None), ("b", b)):
            self.register_buffer(name, value)
        self.slide = slide
        self._fixed: ConvolutionWeights | None = None
        self._forms: dict[Any, Form] = {}

    def rounded(self, dtype):
        if self.a is not None:
            self.W, self.a = self.a.view(-1, 1, 1, 1) * self.W, None
        super().rounded(dtype)

    def run(self, x, keep, finite):
        return self.forward(*x, fused=finite), None

    def forward(self, x, fused=False):
        x_out = self._form("fused" if fused and self.relu else "forward", x)(x)
        return x_out.relu_() if self.relu and not fused else x_out

    def bound(self, x):
        return self._of_W().bound(x[0], self.b)

    def back(self, g, like, kept):
        return (self._form(like[0][2:], g)(last(g)),)

    def along(self, dx, like, kept):
        return self._form("along", dx[0])(dx[0])

    def _of_W(self) -> ConvolutionWeights:
        W = self.W
        if self._fixed is None or self._fixed.W is not W or self._fixed.version != W._version:
            self._fixed, self._forms = ConvolutionWeights(W, self.a, self.slide), {}
        return self._fixed

    def _form(self, which: Any, x: Tensor) -> Form:
        fixed, key = self._of_W(), (which, x.shape, x.dtype, x.device)
        if key not in self._forms:
            self._forms[key] = self._made(fixed, which, x)
        return self._forms[key]

    def _made(self, fixed: ConvolutionWeights, which: Any, x: Tensor) -> Form:
        if isinstance(which, str):
            fit(x.ndim == 4 and x.shape[1] == self.W.shape[1] * self.slide.groups and x.dtype == self.W.dtype)
            _, p, d, _ = self.slide
            fit(all(n + 2 * p > d * (k - 1) for n, p, d, k in zip(x.shape[2:], p, d, self.W.shape[2:], strict=True)))
            return fixed.forward(x, None if which == "along" else self.b, which == "fused")
        return fixed.back(x, which)

    def __getstate__(self):
        return {**super().__getstate__(), "_fixed": None, "_forms": {}}


class FrozenAffine(FrozenLayer):
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

    def bound(self, x):
        return torch.inf

    def back(self, g, like, kept):
        return (g * self._over(self.a, g),)

    def along(self, dx, like, kept):
        return dx[0] * self._over(self.a, dx[0])

    @staticmethod
    def _over(a: Tensor, x: Tensor) -> Tensor:
        return a.view(-1, *[1] * (x.ndim - 2))


class FrozenLinear(FrozenLayer):
    """x [..., N] → W x + b, [..., M]. Of many rows, W is laid out for them, once for each way.

    But not where numbers are taken eight at a time: there PyTorch's own product is as fast, and W is not there thrice.
    """

    MANY = 16 if "AVX512" in torch.backends.cpu.get_cpu_capability() else math.inf

    def __init__(self, W: Tensor, b: Tensor | None):
        super().__init__()
        self.W: Tensor
        self.b: Tensor | None
        self.register_buffer("W", W)
        self.register_buffer("b", b)
        self._forms: dict[Any, Any] = {}

    def run(self, x, keep, finite):
        return self.forward(*x, fused=finite), None

    def bound(self, x):
        return torch.inf

    def forward(self, x, fused=False):
        fit(x.dtype == self.W.dtype and x.shape[-1:] == self.W.shape[1:])
        if self._many(x):
            fused = fused and self.relu
            form = self._form("fused" if fused else "forward", lambda W: OneDnnLinear(W, self.b, len(x), fused))
            x_out = form(x)
            return x_out.relu_() if self.relu and not fused else x_out
        x_out = nn.functional.linear(x, self.W, self.b)
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        if self._many(g):
            return (self._form("back", lambda W: OneDnnLinear(W.t(), None, len(g)))(g),)
        return (g @ self.W,)

    def along(self, dx, like, kept):
        return nn.functional.linear(dx[0], self.W)

    def _many(self, x: Tensor) -> bool:
        return x.shape[:-1].numel() >= self.MANY and has_kernels(x)

    def _form(self, which: str, made: Any) -> Any:
        W, version = self.W, self.W._version
        of, at, form = self._forms.get(which, (None, 0, None))
        if of is not W or at != version:
            form = made(W)
            self._forms[which] = W, version, form
        return form

    def __getstate__(self):
        return {**super().__getstate__(), "_forms": {}}


class FrozenRelu(FrozenLayer):
    """x → relu x, on its own."""

    fresh = False

    relu = True

    def forward(self, x):
        return x.relu()

    def back(self, g, like, kept):
        return (g,)

    def along(self, dx, like, kept):
        return dx[0]


class FrozenAdd(FrozenLayer):
    """a, b of one shape → a + b."""

    fresh = False

    def forward(self, a, b):
        fit(isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and a.dtype == b.dtype)
        x_out = a + b
        return x_out.relu_() if self.relu else x_out

    def bound(self, x):
        return sum(x)

    def back(self, g, like, kept):
        return g, g

    def along(self, dx, like, kept):
        return dx[0] + dx[1]


class FrozenMerge(FrozenLayer):
    """Images side by side in their channels: [B, C, H, W], [B, D, H, W], ... → [B, C + D + ..., H, W]."""

    fresh = False

    def forward(self, *x):
        x_out = torch.cat(x, 1)
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        return g.split([shape[1] for shape in like], 1)

    def along(self, dx, like, kept):
        return torch.cat(list(dx), 1)


class FrozenFlatten(FrozenLayer):
    """x [B, ...] → [B, N]."""

    fresh = False

    def forward(self, x):
        return x.flatten(1)

    def back(self, g, like, kept):
        return (g.reshape(len(g), *like[0][1:]),)

    def along(self, dx, like, kept):
        return dx[0].flatten(1)


class FrozenAvgPool(FrozenLayer):
    """x [B, C, H, W] → the mean of each window."""

    fresh = False

    def __init__(self, windows: Windows | AdaptiveWindows):
        super().__init__()
        self.windows = windows

    def forward(self, x):
        x_out = self.windows.mean(x)
        return x_out.relu_() if self.relu else x_out

    def bound(self, x):
        return torch.inf if getattr(self.windows, "divisor", None) else max(x)

    def back(self, g, like, kept):
        if self.windows == AdaptiveWindows((1, 1)):
            return ((g / like[0][2:].numel()).expand(len(g), *like[0][1:]),)
        for axis in (1, 0):
            g = self.windows.distribute(g, axis, like[0][axis - 2])
        return (g,)

    def along(self, dx, like, kept):
        return self.windows.mean(dx[0])
