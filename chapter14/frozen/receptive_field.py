"""One place of the image that a chain gives, out of what it sees: its receptive field.

A step at places a to b of its output sees of its input, along each axis,

    convolution, largest      [a s - p, (b - 1) s - p + d (k - 1) + 1)        stride s, padding p, kernel k, dilation d
    mean                      the entries of rows a to b of A that are not 0
    relu, sum, merge, ...     [a, b)

so from the place back to the pixels. Then the same steps run on these cuts, without padding: what sticks out of the
image is put there by `FrozenCrop`, and nowhere else. FrozenBackward, g_in is pasted into zeros of x's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.core.arrange import narrow
from ..layers.pool.avg_pool import AdaptiveWindows, Windows
from .adaptive_pool import FrozenAdaptivePool
from .frozen_chain import FrozenChain
from .fused_convolution import LAST
from .layers import (
    FrozenAdd,
    FrozenAffine,
    FrozenAvgPool,
    FrozenConvolution,
    FrozenLayer,
    FrozenMerge,
    FrozenRelu,
    Unfit,
    fit,
    last,
)
from .max_pool import FrozenMaxPool

Range = tuple[int, int]


class ReceptiveField(nn.Module):
    """(chain, x) → what the chain gives at one place, [B, M, 1, 1]; made once for each size of x."""

    def __init__(self, place: Sequence[int | None]):
        super().__init__()
        self.place = place
        self._made: dict[Any, FrozenChain] = {}
        self._bare: dict[Any, FrozenLayer] = {}

    @staticmethod
    def suits(chain: FrozenChain) -> bool:
        """Whether each step sees a part of its input only: none is linear, or lays an image flat."""
        return chain.inputs == len(chain.gives) == 1 and all(map(_has_places, chain.steps))

    def forward(self, chain: FrozenChain, x: Tensor) -> Tensor:
        fit(x.ndim == 4)
        size = tuple(x.shape[2:])
        if (chain, size) not in self._made:
            self._made[chain, size] = self._cut(chain, size)
        return self._made[chain, size](x)[0]

    def of(self, x_l: Any) -> Tensor:
        """The place of an image that is there already."""
        if not isinstance(x_l, Tensor) or x_l.ndim != 4:
            given = list(x_l.shape) if isinstance(x_l, Tensor) else type(x_l).__name__
            raise ValueError(f"freeze: at={self.place} is a place of images [B, M, H, W]; the network gives {given}.")
        for axis, (i, _) in enumerate(self._at(tuple(x_l.shape[2:]))):
            x_l = narrow(x_l, 2 + axis, i, 1)
        return x_l

    def _at(self, size: Sequence[int]) -> list[Range]:
        found = []
        for name, i, n in zip(("row", "column"), self.place, size, strict=True):
            i = n // 2 if i is None else i
            if not -n <= i < n:
                raise ValueError(f"freeze: at={self.place}: there is no {name} {i}; it has {n}, 0 to {n - 1}.")
            found.append((i % n, i % n + 1))
        return found

    def _cut(self, chain: FrozenChain, size: Sequence[int]) -> FrozenChain:
        """The chain of what the place sees in x of this size."""
        steps: list[Any] = list(chain.steps)
        sizes = [tuple(size)]
        for step, reads in zip(steps, chain.reads, strict=True):
            sizes.append(_size(step, [sizes[r] for r in reads]))
        held: dict[int, list[Range]] = {chain.gives[0]: self._at(sizes[chain.gives[0]])}
        for i in range(len(steps) - 1, -1, -1):
            for r in chain.reads[i] if 1 + i in held else ():
                needs = list(map(_inside, _seen(steps[i], held[1 + i], sizes[r]), sizes[r]))
                held[r] = list(map(_joined, held.get(r, needs), needs))
        held[0] = [(0, n) for n in size]

        made: list[FrozenLayer] = []
        from_: list[list[int]] = []
        places: dict[Any, int] = {0: 0}

        def wrote(key: Any, step: FrozenLayer, reads: list[int]) -> int:
            made.append(step)
            from_.append(reads)
            places[key] = len(made)
            return len(made)

        for i, step in enumerate(steps):
            if 1 + i not in held:
                continue
            now, beyond = [], -torch.inf if isinstance(step, FrozenMaxPool) else 0.0
            for r in chain.reads[i]:
                needs = _seen(step, held[1 + i], sizes[r])
                cut = tuple((lo - first, hi - first) for (lo, hi), (first, _) in zip(needs, held[r], strict=True))
                key = r if needs == held[r] else (r, cut, beyond)
                now.append(places[key] if key in places else wrote(key, FrozenCrop(cut, beyond), [places[r]]))
            wrote(1 + i, self._without_padding((chain, i), step, held[1 + i], needs, sizes[chain.reads[i][0]]), now)
        cut_chain = FrozenChain(made, from_, 1, [places[chain.gives[0]]])
        cut_chain.precision = chain.precision
        return cut_chain

    def _without_padding(
        self, i: Any, step: Any, out: list[Range], needs: list[Range], size: Sequence[int]
    ) -> FrozenLayer:
        if isinstance(step, FrozenAvgPool):
            A = [
                A[a:b, max(lo, 0) : hi]
                for A, (a, b), (lo, hi) in zip(_matrices(step.windows, size), out, needs, strict=True)
            ]
            means = FrozenAvgPoolMatrices(*A)
            means.relu = step.relu
            return means
        if i not in self._bare:
            self._bare[i] = step
            if isinstance(step, FrozenConvolution):  # the same W, in the same memory
                self._bare[i] = bare = FrozenConvolution(step.W, step.b, step.slide._replace(padding=(0, 0)))
                bare.a, bare.relu = step.a, step.relu
            elif isinstance(step, FrozenMaxPool):
                self._bare[i] = pool = FrozenMaxPool(step.size, step.stride, 0, False)
                pool.relu = step.relu
        return self._bare[i]

    def _apply(self, fn, recurse=True):
        """Parameters have moved: all of it is made again."""
        self._made, self._bare = {}, {}
        return super()._apply(fn, recurse)

    def __getstate__(self):
        return {**super().__getstate__(), "_made": {}, "_bare": {}}


class FrozenCrop(FrozenLayer):
    """x [B, C, H, W] → its rows and columns from lo to hi; where it has none, `beyond`."""

    def __init__(self, ranges: Sequence[Range], beyond: float):
        super().__init__()
        self.ranges, self.beyond = ranges, beyond

    def forward(self, x):
        return self._of(x, self.beyond)

    def back(self, g, like, kept):
        x = g.new_zeros(len(g), *like[0][1:])
        there, here = self._both(like[0])
        x[there] = g[here]
        return (x,)

    def along(self, dx, like, kept):
        return self._of(dx[0], 0.0)

    def _of(self, x: Tensor, beyond: float) -> Tensor:
        there, here = self._both(x.shape)
        size = [hi - lo for lo, hi in self.ranges]
        if list(x[there].shape[2:]) == size:
            return last(x[there].clone(memory_format=LAST))
        x_out = torch.empty(*x.shape[:2], *size, dtype=x.dtype, device=x.device, memory_format=LAST).fill_(beyond)
        x_out[here] = x[there]
        return x_out

    def _both(self, shape: Sequence[int]) -> tuple[Any, Any]:
        """The same entries, in x and in x_out."""
        inside = [(max(lo, 0), max(min(hi, n), max(lo, 0))) for (lo, hi), n in zip(self.ranges, shape[2:], strict=True)]
        there = [slice(a, b) for a, b in inside]
        here = [slice(a - lo, b - lo) for (a, b), (lo, _) in zip(inside, self.ranges, strict=True)]
        return (..., *there), (..., *here)


class FrozenAvgPoolMatrices(FrozenLayer):
    """x [B, C, H, W] → A x A'^T, A of the rows and A' of the columns."""

    def __init__(self, rows: Tensor, columns: Tensor):
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x):
        x_out = self._through(x, self.rows, self.columns)
        return x_out.relu_() if self.relu else x_out

    def back(self, g, like, kept):
        return (self._through(g, self.rows.t(), self.columns.t()),)

    def along(self, dx, like, kept):
        return self._through(dx[0], self.rows, self.columns)

    @staticmethod
    def _through(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return rows.to(x) @ x @ columns.to(x).t()


def _has_places(step: Any) -> bool:
    if isinstance(step, FrozenAdaptivePool):
        return step.linear is None and not step.is_flat
    return isinstance(
        step, FrozenConvolution | FrozenMaxPool | FrozenAvgPool | FrozenAffine | FrozenRelu | FrozenAdd | FrozenMerge
    )


def _size(step: Any, sizes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Of the image that a step gives."""
    fit(all(size == sizes[0] for size in sizes))
    (size, *_), like = sizes, torch.Size((1, 1, *sizes[0]))
    try:
        if isinstance(step, FrozenConvolution):
            _, p, d, _ = step.slide
            ks = step.W.shape[2:]
            fit(all(n + 2 * p >= d * (k - 1) + 1 for n, p, d, k in zip(size, p, d, ks, strict=True)))
            return tuple(
                (n + 2 * p - d * (k - 1) - 1) // s + 1
                for n, s, p, d, k in zip(size, step.slide.stride, p, d, ks, strict=True)
            )
        if isinstance(step, FrozenMaxPool):
            return tuple(step._shape(like)[2:])
        if isinstance(step, FrozenAvgPool):
            return tuple(step.windows.mean(torch.empty(like, device="meta")).shape[2:])
    except RuntimeError as error:
        raise Unfit from error
    return size


def _seen(step: Any, out: Sequence[Range], size: Sequence[int]) -> list[Range]:
    """Of an input of this size, by these places of the output; it may stick out of the image."""
    if isinstance(step, FrozenConvolution):
        axes = list(zip(step.slide.stride, step.slide.padding, step.slide.dilation, step.W.shape[2:], strict=True))
    elif isinstance(step, FrozenMaxPool):
        axes = [(step.stride, step.padding, 1, step.size)] * 2
    elif isinstance(step, FrozenAvgPool):
        seen = []
        for A, (a, b) in zip(_matrices(step.windows, size), out, strict=True):
            there = A[a:b].any(0).nonzero().view(-1).tolist() or [0]
            seen.append((there[0], there[-1] + 1))
        return seen
    else:
        return list(out)
    return [(a * s - p, (b - 1) * s - p + d * (k - 1) + 1) for (a, b), (s, p, d, k) in zip(out, axes, strict=True)]


def _matrices(windows: Windows | AdaptiveWindows, size: Sequence[int]) -> list[Tensor]:
    """A of each axis: [outputs, n]."""
    outputs = windows.mean(torch.empty(1, 1, *size, device="meta")).shape[2:]
    rows, columns = (torch.eye(o, dtype=torch.float64) for o in outputs)
    return [windows.distribute(rows[..., None], 0, size[0])[..., 0], windows.distribute(columns, 1, size[1])]


def _inside(of: Range, n: int) -> Range:
    """Of a range, what is in the image; an entry at least."""
    lo = min(max(of[0], 0), n - 1)
    return lo, max(min(of[1], n), lo + 1)


def _joined(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])
