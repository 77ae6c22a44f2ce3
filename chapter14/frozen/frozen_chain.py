"""A piecewise linear network with fixed parameters as one layer: frozen layers between registers.

For several g (or dx) of one x, [*lead, *shape], each register is that of a batch of so many times the images; what the
forward pass saved is read once, and used for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableSequence, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ..layer.base import cast
from ..layer.modes import transformed
from .bitmask import PACK, masked, packed, positions, unpacked
from .fused_convolution import has_kernels
from .layers import FrozenLayer, require
from .passes import FrozenForward, RegisterShapes

#: Sums of numbers below this do not overflow in float32 or bfloat16.
LARGE = 2.0**126


class FrozenChain(nn.Module):
    """Registers 0, 1, ... are x_in; layer i reads registers `reads[i]` and writes the next one; `outputs` are x_out."""

    layers: Sequence[FrozenLayer]

    def __init__(
        self, layers: Sequence[FrozenLayer], reads: Sequence[Sequence[int]], inputs: int, outputs: Sequence[int]
    ):
        super().__init__()
        self.contiguous = False  # whether x_out has the memory format of x_in
        self.precision: torch.dtype | None = None
        self.layers = nn.ModuleList(layers)  # type: ignore[assignment]
        self.reads, self.inputs, self.outputs = reads, inputs, outputs
        last_read = {r: i for i, registers in enumerate(reads) for r in registers}
        self._done = [[r for r, i in last_read.items() if i == now and r not in outputs] for now in range(len(layers))]

    def to_precision(self, dtype: torch.dtype) -> None:
        """Compute in this dtype from now on."""
        self.precision = dtype
        for layer in self.layers:
            layer.to_precision(dtype)

    def equals(self, other: FrozenChain) -> bool:
        """Whether the other chain computes the same, from the same parameters."""
        ours, theirs = ((c.inputs, c.outputs, c.reads, c.contiguous, c.precision) for c in (self, other))
        layers = zip(self.layers, other.layers, strict=False)
        return ours == theirs and len(self.layers) == len(other.layers) and all(a.equals(b) for a, b in layers)

    def forward(self, *x: Tensor) -> tuple[Tensor, ...]:
        require(all(isinstance(t, Tensor) and not t.is_complex() for t in x))  # g A of complex A conjugates it
        if self.precision is not None:
            x = tuple(cast(t, self.precision) for t in x)
        wanted = torch.is_grad_enabled() and any(t.requires_grad for t in x)
        if wanted or forward_ad._current_level >= 0 or transformed():
            return FrozenForward.of(self, RegisterShapes(), *x)[: len(self.outputs)]
        return self.run(x, None)

    def run(self, x: Sequence[Tensor], shapes: MutableSequence[torch.Size] | None) -> tuple[Tensor, ...]:
        """x_in → x_out, then what A depends on; `shapes` is filled with those of all registers. None: nothing is saved.

        What is saved is the packed masks of the layers that have one, then what other layers save.
        """
        registers: list[Any] = list(x)
        bounds = [math.inf] * len(x) if has_kernels(x[0]) else None
        masks: list[Tensor] = []
        packs, others, n = [], [], 0
        if shapes is not None:
            shapes[:] = [t.shape for t in x]
        for layer, reads, done in zip(self.layers, self.reads, self._done, strict=True):
            finite = bounds is not None and _is_finite(layer, reads, registers, bounds)
            x_out, saved = layer.run([registers[r] for r in reads], shapes is not None, finite)
            registers.append(x_out)
            for r in done:
                registers[r] = None
            if shapes is None:
                continue
            shapes.append(x_out.shape)
            if saved is not None:
                others.append(saved)
            if layer.has_mask:
                if n and n + x_out.numel() > PACK:
                    packs.append(packed(masks))
                    masks, n = [], 0
                masks.append(layer.mask(x_out))
                n += x_out.numel()
        if masks:
            packs.append(packed(masks))
        return *[self._output(registers[r], x) for r in self.outputs], *packs, *others

    def backward(
        self, g: Sequence[Tensor], shapes: Sequence[torch.Size], saved: Sequence[Tensor], lead: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """g_out → g_in. The gradients that several layers give one register are summed, (14.46)."""
        K = math.prod(lead)
        if not K:
            return tuple(g[0].new_zeros(*lead, *shapes[r]) for r in range(self.inputs))
        sums = _Sums()
        for r, g_out in zip(self.outputs, g, strict=True):
            sums.add(r, _one_batch(g_out, shapes[r], lead), False)
        layers, of_layers = list(self.layers), self._saved(shapes, saved, -1)
        for i in range(len(layers) - 1, -1, -1):
            layer, (of_layer, first) = layers[i], next(of_layers)
            total = sums.take(self.inputs + i)
            if total is None:
                continue
            g_out = masked(total, of_layer, first, K) if layer.has_mask else total
            g_in = layer.backward(g_out, [shapes[r] for r in self.reads[i]], of_layer)
            del total, g_out
            for r, g_r in zip(self.reads[i], g_in, strict=True):
                sums.add(r, g_r, layer.new_memory)
        found = [(sums.take(r), (*lead, *shapes[r])) for r in range(self.inputs)]
        return tuple(g[0].new_zeros(shape) if g_in is None else g_in.view(shape) for g_in, shape in found)

    def jvp(
        self, dx: Sequence[Tensor], shapes: Sequence[torch.Size], saved: Sequence[Tensor], lead: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """dx_in → dx_out."""
        K = math.prod(lead)
        if not K:
            return tuple(dx[0].new_zeros(*lead, *shapes[r]) for r in self.outputs)
        registers = [_one_batch(t, shapes[r], lead) for r, t in enumerate(dx)]
        for layer, reads, (of_layer, first) in zip(self.layers, self.reads, self._saved(shapes, saved, 1), strict=True):
            dx_out = layer.jvp([registers[r] for r in reads], [shapes[r] for r in reads], of_layer)
            registers.append(masked(dx_out, of_layer, first, K) if layer.has_mask else dx_out)
        return tuple(self._output(registers[r], dx).view(*lead, *shapes[r]) for r in self.outputs)

    def _output(self, x_out: Tensor, x_in: Sequence[Tensor]) -> Tensor:
        """x_out in its own memory, and in x_in's memory format where the strides matter."""
        memory = x_out.untyped_storage().data_ptr()
        if any(t.untyped_storage().data_ptr() == memory for t in x_in):
            x_out = x_out.clone()
        return x_out.contiguous() if self.contiguous and x_in[0].is_contiguous() else x_out

    def _saved(
        self, shapes: Sequence[torch.Size], saved: Sequence[Tensor], direction: int
    ) -> Iterator[tuple[Any, int]]:
        """For each layer, from the first (direction 1) or the last (-1): its pack of masks and the first entry of its
        own mask there; or what the layer saved."""
        sizes = {i: shapes[self.inputs + i].numel() for i, layer in enumerate(self.layers) if layer.has_mask}
        in_packs = dict(zip(sizes, positions(sizes.values()), strict=True))
        lengths = {pack: first + sizes[i] for i, (pack, first) in in_packs.items()}
        saving = [i for i, layer in enumerate(self.layers) if layer.saves]
        others = dict(zip(saving, saved[len(lengths) :], strict=True))
        now, masks = -1, None
        for i in range(len(self.layers))[::direction]:
            pack, first = in_packs.get(i, (now, 0))
            if pack != now:
                now, masks = pack, unpacked(saved[pack], lengths[pack])
            yield others.get(i, masks), first


def _is_finite(layer: FrozenLayer, reads: Sequence[int], registers: Sequence[Tensor], bounds: list[float]) -> bool:
    """Whether no value of a layer overflows, by the bounds of its inputs. Its own bound is appended to them."""
    bound = layer.bound([bounds[r] for r in reads])
    if layer.relu and not bound < LARGE:
        for r in reads:
            bounds[r] = _largest(registers[r])
        bound = layer.bound([bounds[r] for r in reads])
    bounds.append(min(bound, layer.most) if bound < LARGE else bound)
    return bound < LARGE


def _largest(x: Tensor) -> float:
    """The largest |x|; NaN where x has one."""
    return max(abs(v.item()) for v in torch.aminmax(x.detach())) if x.numel() else 0.0


def _one_batch(t: Tensor, shape: torch.Size, lead: Sequence[int]) -> Tensor:
    """t [*lead, B, ...] → [K B, ...]; [*lead, N] → [K, N]."""
    if not lead:
        return t
    K = math.prod(lead)
    return t.reshape(K * shape[0], *shape[1:]) if len(shape) > 1 else t.reshape(K, *shape)


class _Sums:
    """The sum of the gradients of each register so far, and whether it may be written into."""

    def __init__(self) -> None:
        self._sums: dict[int, tuple[Tensor, bool]] = {}

    def add(self, r: int, g: Tensor, writable: bool) -> None:
        if r not in self._sums:
            self._sums[r] = g, writable
            return
        total, total_writable = self._sums[r]
        if total_writable:
            total.add_(g)
        else:
            self._sums[r] = g.add_(total) if writable else total + g, True

    def take(self, r: int) -> Tensor | None:
        return self._sums.pop(r, (None, False))[0]
