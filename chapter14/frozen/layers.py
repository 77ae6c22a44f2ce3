"""The layers of a piecewise linear network with fixed parameters: each is x_out = A x_in + b.

    FrozenConvolution      A = W slid over the image, batch norm folded into W and b
    FrozenAffine           A = diag a, channel by channel: batch norm that cannot be folded
    FrozenLinear           A = W
    FrozenAvgPool          A = the mean of each window
    FrozenAdd, FrozenMerge A = [I, I], [I 0; 0 I]
    FrozenFlatten          A = I

`forward` computes A x + b, `backward` g A, and `jvp` A dx. What A depends on (`saved`) comes from `run`. `shapes` are
those of x_in, [B, ...]; g and dx may be K times as many, [K B, ...]. A relu or relu6 after a layer belongs to it
(`relu`, `most`): `run` applies it, and the chain masks g and dx.

Images are channels-last; g in another memory format is converted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.convolution.convolution import Slide
from ..layers.pool.avg_pool import AdaptiveWindows, Windows
from .fused_convolution import LAST, ConvolutionWeights, OneDnnLinear, has_kernels


class Unsupported(Exception):
    """The input is not what the layer was made for: the network has to run unfrozen."""


class FrozenLayer(nn.Module):
    """One layer. `relu` says whether x_out = min(relu(A x + b), most)."""

    relu = False
    most = math.inf
    new_memory = True  # whether `backward` returns a tensor of its own
    saves = False  # whether `run` saves something, which includes the mask of its relu
    is_local = True  # whether each position of x_out sees only a part of x_in

    def __init__(self, **parameters: Tensor | None):
        super().__init__()
        for name, value in parameters.items():
            self.register_buffer(name, value)
        self._cache: dict[Any, Any] = {}

    def __getstate__(self):
        return {**super().__getstate__(), "_cache": {}}

    @property
    def has_mask(self) -> bool:
        """Whether the chain saves which entries relu lets through."""
        return self.relu and not self.saves

    def to_precision(self, dtype: torch.dtype) -> None:
        """Convert the parameters, into new memory."""
        self.to(dtype)

    def equals(self, other: nn.Module) -> bool:
        """Whether the other layer computes the same, from the same parameters."""
        if type(self) is not type(other):
            return False
        ours, theirs = self.__getstate__(), other.__getstate__()
        buffers = zip(ours.pop("_buffers").values(), theirs.pop("_buffers").values(), strict=True)
        inner = zip(ours.pop("_modules").values(), theirs.pop("_modules").values(), strict=True)
        return (
            ours == theirs
            and all(a is b or (a is not None and b is not None and _equal(a, b)) for a, b in buffers)
            and all(a is b or (a is not None and a.equals(b)) for a, b in inner)
        )

    def run(self, x: Sequence[Tensor], save: bool, finite: bool) -> tuple[Tensor, Tensor | None]:
        """x_out, and what the layer saves: a row of bytes. `finite`: no value before the relu is NaN."""
        fused = self.relu and finite and self.fuses(*x)
        x_out = self.forward(*x, relu=True) if fused else self.forward(*x)
        x_out = x_out.relu_() if self.relu and not fused else x_out
        return self._limited(x_out), None

    def _limited(self, x_out: Tensor) -> Tensor:
        return x_out.clamp_(max=self.most) if self.most < math.inf else x_out

    def mask(self, x_out: Tensor) -> Tensor:
        """Where its relu is not flat; also at NaN, as in torch."""
        x_out = last(x_out)
        return x_out.bool() if self.most == math.inf else x_out.bool() & (x_out - self.most).bool()

    def fuses(self, *x: Tensor) -> bool:
        """Whether `forward` takes relu=True, and applies the relu in the same kernel."""
        return False

    def bound(self, x: Sequence[float]) -> float:
        """An upper bound of |x_out|, given those of |x_in|; infinite where there is none."""
        return max(x)

    def backward(self, g: Tensor, shapes: Sequence[torch.Size], saved: Any) -> Sequence[Tensor]:
        raise NotImplementedError

    def jvp(self, dx: Sequence[Tensor], shapes: Sequence[torch.Size], saved: Any) -> Tensor:
        """That of a layer whose `forward` has no b."""
        return self.forward(*dx)


def _equal(a: Tensor, b: Tensor) -> bool:
    memory = [(t.data_ptr(), t.shape, t.stride(), t.dtype) for t in (a, b)]
    return memory[0] == memory[1] or (a.dtype == b.dtype and a.device == b.device and torch.equal(a, b))


def require(condition: bool) -> None:
    """
    Raises:
        Unsupported: the condition is False.
    """
    if not condition:
        raise Unsupported


def last(x: Tensor) -> Tensor:
    """x without gaps in memory; an image in channels-last order."""
    return x.contiguous(memory_format=LAST) if x.ndim == 4 else x.contiguous()


class FrozenConvolution(FrozenLayer):
    """x [B, C, H, W] → a W x + b, [B, M, H', W']; a [M] is batch norm's scale, or None.

    a W is stored only in the layout that the kernels use.
    """

    W: Tensor
    a: Tensor | None
    b: Tensor | None

    def __init__(self, W: Tensor, b: Tensor | None, slide: Slide, a: Tensor | None = None):
        super().__init__(W=W, a=a, b=b)
        self.slide = slide

    def to_precision(self, dtype):
        if self.a is not None:
            self.W, self.a = self.a.view(-1, 1, 1, 1) * self.W, None
        super().to_precision(dtype)

    def fuses(self, *x):
        return True

    def forward(self, x, relu=False):
        return self._kernel("fused" if relu else "forward", x)(x)

    def bound(self, x):
        return self._weights().bound(x[0])

    def backward(self, g, shapes, saved):
        return (self._kernel(shapes[0][2:], g)(last(g)),)

    def jvp(self, dx, shapes, saved):
        return self._kernel("jvp", dx[0])(dx[0])

    def _weights(self) -> ConvolutionWeights:
        W, found = self.W, self._cache.get("weights")
        if found is None or found.W is not W or found.version != W._version:
            found = self._cache["weights"] = ConvolutionWeights(W, self.a, self.b, self.slide)
        return found

    def _kernel(self, which: Any, x: Tensor) -> Callable[[Tensor], Tensor]:
        weights, key = self._weights(), (which, x.shape, x.dtype, x.device)
        if (kernel := weights.kernels.get(key)) is None:
            if isinstance(which, str):
                require(x.ndim == 4 and x.shape[1] == self.W.shape[1] * self.slide.groups and x.dtype == self.W.dtype)
                _, p, d, _ = self.slide
                sizes = zip(x.shape[2:], p, d, self.W.shape[2:], strict=True)
                require(all(n + 2 * p > d * (k - 1) for n, p, d, k in sizes))
                kernel = weights.forward(x, which != "jvp", which == "fused")
            else:
                kernel = weights.backward(x, which)
            weights.kernels[key] = kernel
        return kernel


class FrozenAffine(FrozenLayer):
    """x [B, C, ...] → a x + c, a and c [C]."""

    a: Tensor
    c: Tensor

    def __init__(self, a: Tensor, c: Tensor):
        super().__init__(a=a, c=c)

    def forward(self, x):
        return torch.addcmul(self._over(self.c, x), x, self._over(self.a, x))

    def bound(self, x):
        return torch.inf

    def backward(self, g, shapes, saved):
        return (g * self._over(self.a, g),)

    def jvp(self, dx, shapes, saved):
        return dx[0] * self._over(self.a, dx[0])

    @staticmethod
    def _over(a: Tensor, x: Tensor) -> Tensor:
        return a.view(-1, *[1] * (x.ndim - 2))


class FrozenLinear(FrozenLayer):
    """x [..., N] → W x + b, [..., M]; for many rows with a layout of W for each pass.

    Without AVX-512 PyTorch's own product is as fast, and saves the memory of those layouts.
    """

    is_local = False
    MANY = 16 if "AVX512" in torch.backends.cpu.get_cpu_capability() else math.inf

    W: Tensor
    b: Tensor | None

    def __init__(self, W: Tensor, b: Tensor | None):
        super().__init__(W=W, b=b)

    def fuses(self, *x):
        return self._has_many_rows(*x)

    def forward(self, x, relu=False):
        require(x.dtype == self.W.dtype and x.shape[-1:] == self.W.shape[1:])
        if not self._has_many_rows(x):
            return nn.functional.linear(x, self.W, self.b)
        return self._kernel("fused" if relu else "forward", lambda W: OneDnnLinear(W, self.b, len(x), relu))(x)

    def bound(self, x):
        return torch.inf

    def backward(self, g, shapes, saved):
        if not self._has_many_rows(g):
            return (g @ self.W,)  # (14.18)
        return (self._kernel("backward", lambda W: OneDnnLinear(W.t(), None, len(g)))(g),)

    def jvp(self, dx, shapes, saved):
        return nn.functional.linear(dx[0], self.W)

    def _has_many_rows(self, x: Tensor) -> bool:
        return x.shape[:-1].numel() >= self.MANY and has_kernels(x)

    def _kernel(self, which: str, make: Callable[[Tensor], OneDnnLinear]) -> OneDnnLinear:
        W = self.W
        of, version, kernel = self._cache.get(which, (None, 0, None))
        if of is not W or version != W._version:
            kernel = make(W)
            self._cache[which] = W, W._version, kernel
        return kernel


class FrozenRelu(FrozenLayer):
    """x → relu x or relu6 x, where no layer before it can take it over."""

    new_memory = False
    relu = True

    def __init__(self, most: float = math.inf):
        super().__init__()
        self.most = most

    def run(self, x, save, finite):
        return self._limited(x[0].relu()), None

    def backward(self, g, shapes, saved):
        return (g,)

    def jvp(self, dx, shapes, saved):
        return dx[0]


class FrozenAdd(FrozenLayer):
    """a, b of one shape → a + b."""

    new_memory = False

    def forward(self, a, b):
        require(isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and a.dtype == b.dtype)
        return a + b

    def bound(self, x):
        return sum(x)

    def backward(self, g, shapes, saved):
        return g, g


class FrozenMerge(FrozenLayer):
    """Images concatenated along their channels: [B, C, H, W], [B, D, H, W], ... → [B, C + D + ..., H, W]."""

    new_memory = False

    def forward(self, *x):
        return torch.cat(x, 1)

    def backward(self, g, shapes, saved):
        return g.split([shape[1] for shape in shapes], 1)


class FrozenFlatten(FrozenLayer):
    """x [B, ...] → [B, N]."""

    new_memory = is_local = False

    def forward(self, x):
        return x.flatten(1)

    def backward(self, g, shapes, saved):
        return (g.reshape(len(g), *shapes[0][1:]),)


class FrozenAvgPool(FrozenLayer):
    """x [B, C, H, W] → the mean of each window."""

    new_memory = False

    def __init__(self, windows: Windows | AdaptiveWindows):
        super().__init__()
        self.windows = windows

    def forward(self, x):
        return self.windows.mean(x)

    def bound(self, x):
        return torch.inf if getattr(self.windows, "divisor", None) else max(x)

    def backward(self, g, shapes, saved):
        if self.windows == AdaptiveWindows((1, 1)):
            return ((g / shapes[0][2:].numel()).expand(len(g), *shapes[0][1:]),)
        for axis in (1, 0):
            g = self.windows.distribute(g, axis, shapes[0][axis - 2])
        return (g,)
