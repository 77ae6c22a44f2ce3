"""One position of the image that a chain returns, computed from its receptive field alone.

Positions a to b of a layer's output see of its input, along each axis,

    convolution, max pool     [a s - p, (b - 1) s - p + d (k - 1) + 1)        stride s, padding p, kernel k, dilation d
    mean                      the entries of rows a to b of A that are not 0
    relu, sum, merge, ...     [a, b)

and so from the position back to the pixels. The same layers then run on these crops, without padding: `FrozenCrop`
pads what lies outside the image. g_in is pasted into zeros of x's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.core.arrange import narrow
from ..layers.pool.avg_pool import AdaptiveWindows, Windows
from .frozen_chain import FrozenChain
from .fused_convolution import LAST
from .layers import FrozenAvgPool, FrozenConvolution, FrozenLayer, Unsupported, last, require
from .max_pool import FrozenMaxPool

Range = tuple[int, int]


class ReceptiveField(nn.Module):
    """(chain, x) → the chain's output at one position, [B, M, 1, 1]; prepared once for each size of x."""

    def __init__(self, position: Sequence[int | None]):
        super().__init__()
        self.position = position
        self._forget()

    def _forget(self) -> None:
        self._cropped: dict[Any, FrozenChain] = {}
        self._unpadded: dict[Any, FrozenLayer] = {}

    @staticmethod
    def suits(chain: FrozenChain) -> bool:
        """Whether each layer sees only a part of its input: none is linear, or flattens an image."""
        return chain.inputs == len(chain.outputs) == 1 and all(layer.is_local for layer in chain.layers)

    def forward(self, chain: FrozenChain, x: Tensor) -> Tensor:
        require(x.ndim == 4)
        key = chain, tuple(x.shape[2:])
        if key not in self._cropped:
            self._cropped[key] = self._crop(*key)
        return self._cropped[key](x)[0]

    def of(self, x_l: Any) -> Tensor:
        """The position of a computed image."""
        if not isinstance(x_l, Tensor) or x_l.ndim != 4:
            given = list(x_l.shape) if isinstance(x_l, Tensor) else type(x_l).__name__
            raise ValueError(f"freeze: at is a position in images [B, M, H, W]; the network returns {given}.")
        for axis, (i, _) in enumerate(self._at(tuple(x_l.shape[2:]))):
            x_l = narrow(x_l, 2 + axis, i, 1)
        return x_l

    def _at(self, size: Sequence[int]) -> list[Range]:
        found = []
        for name, i, n in zip(("row", "column"), self.position, size, strict=True):
            i = n // 2 if i is None else i
            if not -n <= i < n:
                raise ValueError(f"freeze: at={self.position}: there is no {name} {i}; it has {n}, 0 to {n - 1}.")
            found.append((i % n, i % n + 1))
        return found

    def _crop(self, chain: FrozenChain, size: tuple[int, ...]) -> FrozenChain:
        """The chain that computes the position from x of this size."""
        sizes = [size]
        for layer, reads in zip(chain.layers, chain.reads, strict=True):
            sizes.append(_size(layer, [sizes[r] for r in reads]))
        # the part of each register that is computed
        part: dict[int, list[Range]] = {chain.outputs[0]: self._at(sizes[chain.outputs[0]])}
        for i in range(len(chain.layers) - 1, -1, -1):
            for r in chain.reads[i] if 1 + i in part else ():
                needs = list(map(_inside, _seen(chain.layers[i], part[1 + i], sizes[r]), sizes[r]))
                part[r] = list(map(_union, part.get(r, needs), needs))
        part[0] = [(0, n) for n in size]

        layers: list[FrozenLayer] = []
        reads_of: list[list[int]] = []
        registers: dict[Any, int] = {0: 0}  # of the new chain, by those of the old one and their crops

        def write(key: Any, layer: FrozenLayer, reads: list[int]) -> None:
            layers.append(layer)
            reads_of.append(reads)
            registers[key] = len(layers)

        for i, layer in enumerate(chain.layers):
            if 1 + i not in part:
                continue
            now, fill = [], -torch.inf if isinstance(layer, FrozenMaxPool) else 0.0
            for r in chain.reads[i]:
                key: Any = r
                needs = _seen(layer, part[1 + i], sizes[r])
                if needs != part[r]:
                    pairs = zip(needs, part[r], strict=True)
                    ranges = tuple((lo - first, hi - first) for (lo, hi), (first, _) in pairs)
                    key = r, ranges, fill
                    if key not in registers:
                        write(key, FrozenCrop(ranges, fill), [registers[r]])
                now.append(registers[key])
            unpadded = self._without_padding((chain, i), layer, part[1 + i], needs, sizes[chain.reads[i][0]])
            write(1 + i, unpadded, now)
        cropped = FrozenChain(layers, reads_of, 1, [registers[chain.outputs[0]]])
        cropped.precision = chain.precision
        return cropped

    def _without_padding(
        self, key: Any, layer: FrozenLayer, out: list[Range], needs: list[Range], size: Sequence[int]
    ) -> FrozenLayer:
        made: FrozenLayer
        if isinstance(layer, FrozenAvgPool):
            ranges = zip(_matrices(layer.windows, size), out, needs, strict=True)
            made = FrozenAvgPoolMatrices(*(A[a:b, max(lo, 0) : hi] for A, (a, b), (lo, hi) in ranges))
        elif key in self._unpadded:
            return self._unpadded[key]
        elif isinstance(layer, FrozenConvolution):  # the same W, in the same memory
            made = FrozenConvolution(layer.W, layer.b, layer.slide._replace(padding=(0, 0)), layer.a)
        elif isinstance(layer, FrozenMaxPool):
            made = FrozenMaxPool(layer.size, layer.stride, 0, False)
        else:
            return layer
        made.relu, made.most = layer.relu, layer.most
        if not isinstance(layer, FrozenAvgPool):
            self._unpadded[key] = made
        return made

    def _apply(self, fn, recurse=True):
        """Parameters have moved: everything is prepared again."""
        self._forget()
        return super()._apply(fn, recurse)

    def __getstate__(self):
        return {**super().__getstate__(), "_cropped": {}, "_unpadded": {}}


class FrozenCrop(FrozenLayer):
    """x [B, C, H, W] → its rows and columns from lo to hi; `fill` outside the image."""

    def __init__(self, ranges: Sequence[Range], fill: float):
        super().__init__()
        self.ranges, self.fill = ranges, fill

    def forward(self, x):
        return self._crop(x, self.fill)

    def backward(self, g, shapes, saved):
        x = g.new_zeros(len(g), *shapes[0][1:])
        of_x, of_x_out = self._inside(shapes[0])
        x[of_x] = g[of_x_out]
        return (x,)

    def jvp(self, dx, shapes, saved):
        return self._crop(dx[0], 0.0)

    def _crop(self, x: Tensor, fill: float) -> Tensor:
        of_x, of_x_out = self._inside(x.shape)
        size = [hi - lo for lo, hi in self.ranges]
        if list(x[of_x].shape[2:]) == size:
            return last(x[of_x].clone(memory_format=LAST))
        x_out = torch.empty(*x.shape[:2], *size, dtype=x.dtype, device=x.device, memory_format=LAST).fill_(fill)
        x_out[of_x_out] = x[of_x]
        return x_out

    def _inside(self, shape: Sequence[int]) -> tuple[Any, Any]:
        """The entries inside the image: their index in x, and in x_out."""
        inside = [(max(lo, 0), max(min(hi, n), max(lo, 0))) for (lo, hi), n in zip(self.ranges, shape[2:], strict=True)]
        of_x = [slice(a, b) for a, b in inside]
        of_x_out = [slice(a - lo, b - lo) for (a, b), (lo, _) in zip(inside, self.ranges, strict=True)]
        return (..., *of_x), (..., *of_x_out)


class FrozenAvgPoolMatrices(FrozenLayer):
    """x [B, C, H, W] → A x A'^T, with A for the rows and A' for the columns."""

    def __init__(self, rows: Tensor, columns: Tensor):
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x):
        return self.rows.to(x) @ x @ self.columns.to(x).t()

    def backward(self, g, shapes, saved):
        return (self.rows.to(g).t() @ g @ self.columns.to(g),)


def _size(layer: FrozenLayer, sizes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The size of the image that a layer returns."""
    require(all(size == sizes[0] for size in sizes))
    size = sizes[0]
    if isinstance(layer, FrozenConvolution):
        ns = zip(size, _axes(layer), strict=True)
        size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, (s, p, d, k) in ns)
        require(min(size) > 0)
    try:
        if isinstance(layer, FrozenMaxPool):
            return tuple(layer.output_shape(torch.Size((1, 1, *size)))[2:])
        if isinstance(layer, FrozenAvgPool):
            return _pooled_size(layer.windows, size)
    except RuntimeError as error:
        raise Unsupported from error
    return size


def _seen(layer: FrozenLayer, out: Sequence[Range], size: Sequence[int]) -> list[Range]:
    """What these ranges of the output see of an input of this size; it may extend outside the image."""
    if isinstance(layer, FrozenAvgPool):
        rows = [A[a:b].any(0).nonzero().view(-1) for A, (a, b) in zip(_matrices(layer.windows, size), out, strict=True)]
        return [(int(seen[0]), int(seen[-1]) + 1) if len(seen) else (0, 1) for seen in rows]
    if not isinstance(layer, FrozenConvolution | FrozenMaxPool):
        return list(out)
    axes = zip(out, _axes(layer), strict=True)
    return [(a * s - p, (b - 1) * s - p + d * (k - 1) + 1) for (a, b), (s, p, d, k) in axes]


def _axes(layer: FrozenConvolution | FrozenMaxPool) -> list[tuple[int, ...]]:
    """Stride, padding, dilation and kernel size of each axis."""
    if isinstance(layer, FrozenMaxPool):
        return [(layer.stride, layer.padding, 1, layer.size)] * 2
    stride, padding, dilation, _ = layer.slide
    return list(zip(stride, padding, dilation, layer.W.shape[2:], strict=True))


def _matrices(windows: Windows | AdaptiveWindows, size: Sequence[int]) -> list[Tensor]:
    """A of each axis: [outputs, n]."""
    rows, columns = (torch.eye(n, dtype=torch.float64) for n in _pooled_size(windows, size))
    return [windows.distribute(rows[..., None], 0, size[0])[..., 0], windows.distribute(columns, 1, size[1])]


def _pooled_size(windows: Windows | AdaptiveWindows, size: Sequence[int]) -> tuple[int, ...]:
    return tuple(windows.mean(torch.empty(1, 1, *size, device="meta")).shape[2:])


def _inside(seen: Range, n: int) -> Range:
    """The part of a range inside an image of n entries; at least one entry."""
    lo = min(max(seen[0], 0), n - 1)
    return lo, max(min(seen[1], n), lo + 1)


def _union(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])
