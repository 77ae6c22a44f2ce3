"""A network of straight lines with kinks as one layer: steps between registers, parameters fixed.

Of many g (or dx) of one x, [*lead, *shape], each register is as of an image batch that is as many times as large; what
was kept of x is read once, and used for each of them.
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
from .bitmask import TOGETHER, gated, packed, together, unpacked
from .fused_convolution import has_kernels
from .layers import FrozenLayer, fit, last
from .passes import FrozenForward, RegisterShapes

#: Sums of numbers that are smaller than this do not overflow, in float32 and bfloat16 neither.
LARGE = 2.0**126


class FrozenChain(nn.Module):
    """Registers 0, 1, ... are x_in; step i reads registers `reads[i]` and writes the next one; `gives` are x_out."""

    def __init__(self, steps: Sequence[FrozenLayer], reads: Sequence[Sequence[int]], inputs: int, gives: Sequence[int]):
        super().__init__()
        self.strided = False
        self.precision: torch.dtype | None = None
        self.steps = nn.ModuleList(steps)
        self.reads, self.inputs, self.gives = reads, inputs, gives
        last_read = {r: i for i, registers in enumerate(reads) for r in registers}
        self._done = [[r for r, i in last_read.items() if i == now and r not in gives] for now in range(len(steps))]

    def rounded(self, dtype: torch.dtype) -> None:
        """Compute in this dtype from now on."""
        self.precision = dtype
        for step in self._all():
            step.rounded(dtype)

    def alike(self, other: FrozenChain) -> bool:
        """Whether it computes the same, from the same parameters."""
        form, theirs = ((c.inputs, c.gives, c.reads, c.strided, c.precision) for c in (self, other))
        both = zip(self._all(), other._all(), strict=False)
        return form == theirs and len(self.steps) == len(other.steps) and all(a.alike(b) for a, b in both)

    def forward(self, *x: Tensor) -> tuple[Tensor, ...]:
        fit(all(isinstance(t, Tensor) and not t.is_complex() for t in x))  # g A of complex A conjugates it
        if self.precision is not None:
            x = tuple(cast(t, self.precision) for t in x)
        wanted = torch.is_grad_enabled() and any(t.requires_grad for t in x)
        if wanted or forward_ad._current_level >= 0 or transformed():
            return FrozenForward.of(self, RegisterShapes(), *x)[: len(self.gives)]
        return self.through(x, None)

    def through(self, x: Sequence[Tensor], shapes: MutableSequence[torch.Size] | None) -> tuple[Tensor, ...]:
        """x_in → x_out, then what A depends on; `shapes` takes those of all registers. None: nothing is kept."""
        registers: list[Any] = list(x)
        bounds = [math.inf] * len(x) if has_kernels(x[0]) else None
        masks: list[Tensor] = []
        packs, others, n = [], [], 0
        if shapes is not None:
            shapes[:] = [t.shape for t in x]
        for step, reads, done in zip(self._all(), self.reads, self._done, strict=True):
            finite = bounds is not None and _is_finite(step, reads, registers, bounds)
            x_out, kept = step.run([registers[r] for r in reads], shapes is not None, finite)
            registers.append(x_out)
            for r in done:
                registers[r] = None
            if shapes is None:
                continue
            shapes.append(x_out.shape)
            if kept is not None:
                others.append(kept)
            if step.gates:
                if n and n + x_out.numel() > TOGETHER:
                    packs.append(packed(masks))
                    masks, n = [], 0
                masks.append(last(x_out).bool())  # bool(NaN) is True, as torch has it
                n += x_out.numel()
        if masks:
            packs.append(packed(masks))
        return *[self._given(registers[r], x) for r in self.gives], *packs, *others

    def back(
        self, g: Sequence[Tensor], shapes: Sequence[torch.Size], kept: Sequence[Tensor], lead: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """g_out → g_in. What comes back to a register from several steps adds up, (14.46)."""
        K = math.prod(lead)
        if not K:
            return tuple(g[0].new_zeros(*lead, *shapes[r]) for r in range(self.inputs))
        arrived = _Arrived()
        for r, g_out in zip(self.gives, g, strict=True):
            arrived.add(r, _one_batch(g_out, shapes[r], lead), False)
        steps, what = self._all(), self._read(shapes, kept, -1)
        for i in range(len(steps) - 1, -1, -1):
            step, (masks, first) = steps[i], next(what)
            came = arrived.pop(self.inputs + i)
            if came is None:
                continue
            g_out = gated(came, masks, first, K) if step.gates else came
            g_in = step.back(g_out, [shapes[r] for r in self.reads[i]], masks)
            del came, g_out
            for r, g_r in zip(self.reads[i], g_in, strict=True):
                arrived.add(r, g_r, step.fresh)
        found = [arrived.pop(r) for r in range(self.inputs)]
        return tuple(
            g[0].new_zeros(*lead, *shapes[r]) if g_in is None else g_in.view(*lead, *shapes[r])
            for r, g_in in enumerate(found)
        )

    def along(
        self, dx: Sequence[Tensor], shapes: Sequence[torch.Size], kept: Sequence[Tensor], lead: Sequence[int]
    ) -> tuple[Tensor, ...]:
        """dx_in → dx_out."""
        K = math.prod(lead)
        if not K:
            return tuple(dx[0].new_zeros(*lead, *shapes[r]) for r in self.gives)
        registers = [_one_batch(t, shapes[r], lead) for r, t in enumerate(dx)]
        for step, reads, (masks, first) in zip(self._all(), self.reads, self._read(shapes, kept, 1), strict=True):
            dx_out = step.along([registers[r] for r in reads], [shapes[r] for r in reads], masks)
            registers.append(gated(dx_out, masks, first, K) if step.gates else dx_out)
        return tuple(self._given(registers[r], dx).view(*lead, *shapes[r]) for r in self.gives)

    def _all(self) -> list[FrozenLayer]:
        return list(self.steps)  # type: ignore[arg-type]

    def _given(self, x_out: Tensor, x_in: Sequence[Tensor]) -> Tensor:
        """x_out in memory of its own; laid out as images usually are, where somebody is to look at its strides."""
        memory = x_out.untyped_storage().data_ptr()
        if any(t.untyped_storage().data_ptr() == memory for t in x_in):
            x_out = x_out.clone()
        return x_out.contiguous() if self.strided and x_in[0].is_contiguous() else x_out

    def _read(self, shapes: Sequence[torch.Size], kept: Sequence[Tensor], way: int) -> Iterator[tuple[Any, int]]:
        """For each step, in the order of the way: its masks and where its own begins; or what else was kept."""
        steps = self._all()
        sizes = {i: shapes[self.inputs + i].numel() for i, step in enumerate(steps) if step.gates}
        places = dict(zip(sizes, together(sizes.values()), strict=True))
        lengths: dict[int, int] = {}  # of the packs, in entries
        for i, (pack, first) in places.items():
            lengths[pack] = first + sizes[i]
        others = dict(zip([i for i, step in enumerate(steps) if step.keeps], kept[len(lengths) :], strict=True))
        now, masks = -1, None
        for i in range(len(steps))[::way]:
            pack, first = places.get(i, (now, 0))
            if pack != now:
                now, masks = pack, unpacked(kept[pack], lengths[pack])
            yield others.get(i, masks), first


def _is_finite(step: FrozenLayer, reads: Sequence[int], registers: Sequence[Tensor], bounds: list[float]) -> bool:
    """Whether a step overflows nowhere, by the bounds of what it reads. Its own is added to them."""
    bound = step.bound([bounds[r] for r in reads])
    if step.relu and not bound < LARGE:
        for r in reads:
            bounds[r] = _largest(registers[r])
        bound = step.bound([bounds[r] for r in reads])
    bounds.append(bound)
    return bound < LARGE


def _largest(x: Tensor) -> float:
    """The largest |x|; NaN where x has one."""
    return max(abs(v.item()) for v in torch.aminmax(x.detach())) if x.numel() else 0.0


def _one_batch(t: Tensor, shape: torch.Size, lead: Sequence[int]) -> Tensor:
    """t [*lead, B, ...] → [K B, ...]; of a row, [*lead, N] → [K, N]."""
    if not lead:
        return t
    K = math.prod(lead)
    return t.reshape(K * shape[0], *shape[1:]) if len(shape) > 1 else t.reshape(K, *shape)


class _Arrived:
    """What has come back to each register so far; what is ours may be added to in place."""

    def __init__(self) -> None:
        self._g: dict[int, Tensor] = {}
        self._ours: set[int] = set()

    def add(self, r: int, g: Tensor, ours: bool) -> None:
        there = self._g.get(r)
        if there is None:
            self._g[r] = g
        elif r in self._ours:
            there.add_(g)
        elif ours:
            self._g[r] = g.add_(there)
        else:
            self._g[r], ours = there + g, True
        if ours:
            self._ours.add(r)

    def pop(self, r: int) -> Tensor | None:
        self._ours.discard(r)
        return self._g.pop(r, None)
