"""A network of straight lines with kinks as one layer: steps between registers, parameters fixed.

    x_out = A x_in + b           forward, keeping what A depends on: a few bits an entry
    g_in  = g A                  (14.10), back through all steps
    dx_out = A dx                along them

A depends on x by its kinks alone, so the second is linear in g, and goes back by the third; the third goes back by
the second. So there are derivatives of every order, of that which has any: of a straight line, the second is zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_batchedtensor, is_legacy_batchedtensor
from torch.autograd import forward_ad

from ..layer import Layer, cast
from .bits import TOGETHER, gated, packed, together, unpacked
from .steps import Step, fit, last


class Chain(nn.Module):
    """Registers 0, 1, ... are x_in; step i reads registers `reads[i]` and writes the next one; `gives` are x_out."""

    def __init__(self, steps: Sequence[Step], reads: Sequence[Sequence[int]], inputs: int, gives: Sequence[int]):
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

    def forward(self, *x: Tensor) -> tuple[Tensor, ...]:
        fit(all(isinstance(t, Tensor) for t in x))
        if self.precision is not None:
            x = tuple(cast(t, self.precision) for t in x)
        if forward_ad._current_level >= 0 or (torch.is_grad_enabled() and any(t.requires_grad for t in x)):
            return Through.of(self, [], *x)[: len(self.gives)]
        return self.through(x, None)

    def through(self, x: Sequence[Tensor], shapes: list[torch.Size] | None) -> tuple[Tensor, ...]:
        """x_in → x_out, then what A depends on; `shapes` takes those of all registers. None: nothing is kept."""
        registers: list[Any] = list(x)
        masks: list[Tensor] = []
        packs, others, n = [], [], 0
        if shapes is not None:
            shapes += [t.shape for t in x]
        for step, reads, done in zip(self._all(), self.reads, self._done, strict=True):
            x_out, kept = step.run([registers[r] for r in reads], shapes is not None)
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

    def back(self, g: Sequence[Tensor], shapes: Sequence[torch.Size], kept: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """g_out → g_in. What comes back to a register from several steps adds up, (14.46)."""
        if any(is_batchedtensor(t) or is_legacy_batchedtensor(t) for t in g):
            raise NotImplementedError(
                "freeze: the way back takes one g at a time; it was given several (is_grads_batched, or vmap over g). "
                "chapter14.convert(model) takes several."
            )
        arrived = _Arrived()
        for r, g_out in zip(self.gives, g, strict=True):
            arrived.add(r, g_out, False)
        steps, what = self._all(), self._read(shapes, kept, -1)
        for i in range(len(steps) - 1, -1, -1):
            step, (masks, first) = steps[i], next(what)
            came = arrived.pop(self.inputs + i)
            if came is None:
                continue
            g_out = gated(came, masks, first) if step.gates else came
            g_in = step.back(g_out, [shapes[r] for r in self.reads[i]], masks)
            del came, g_out
            for r, g_r in zip(self.reads[i], g_in, strict=True):
                arrived.add(r, g_r, step.fresh)
        found = [arrived.pop(r) for r in range(self.inputs)]
        return tuple(g[0].new_zeros(shapes[r]) if g_in is None else g_in for r, g_in in enumerate(found))

    def along(self, dx: Sequence[Tensor], shapes: Sequence[torch.Size], kept: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """dx_in → dx_out."""
        registers = list(dx)
        for step, reads, (masks, first) in zip(self._all(), self.reads, self._read(shapes, kept, 1), strict=True):
            dx_out = step.along([registers[r] for r in reads], masks)
            registers.append(gated(dx_out, masks, first) if step.gates else dx_out)
        return tuple(self._given(registers[r], dx) for r in self.gives)

    def _all(self) -> list[Step]:
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


class Through(Layer):
    """x_in → x_out, and what A depends on."""

    many = True

    @staticmethod
    def forward(chain, shapes, *x):
        return chain.through(x, shapes)

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, *_ = inputs
        return chain, shapes, *x_out[len(chain.gives) :]

    @staticmethod
    def backward(needs, g, chain, shapes, *kept):
        g_in = Back.of(chain, shapes, len(chain.gives), *g[: len(chain.gives)], *kept)
        return None, None, *g_in

    @staticmethod
    def jvp(tangents, chain, _, *x):
        shapes = []
        kept = chain.through([t.detach() for t in x], shapes)[len(chain.gives) :]
        return *Along.of(chain, shapes, len(x), *_there(tangents[2:], x), *kept), *[None] * len(kept)


class Back(Layer):
    """n g_out, and what A depends on → g_in = g_out A."""

    many = True

    @staticmethod
    def forward(chain, shapes, n, *inputs):
        return chain.back(inputs[:n], shapes, inputs[n:])

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, n, *both = inputs
        return chain, shapes, n, *both[n:]

    @staticmethod
    def backward(needs, G, chain, shapes, n, *kept):
        return None, None, None, *Along.of(chain, shapes, len(G), *G, *kept), *[None] * len(kept)

    @staticmethod
    def jvp(tangents, chain, shapes, n, *inputs):
        return Back.of(chain, shapes, n, *_there(tangents[3:], inputs[:n]), *inputs[n:])


class Along(Layer):
    """n dx_in, and what A depends on → dx_out = A dx_in."""

    many = True

    @staticmethod
    def forward(chain, shapes, n, *inputs):
        return chain.along(inputs[:n], shapes, inputs[n:])

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, n, *both = inputs
        return chain, shapes, n, *both[n:]

    @staticmethod
    def backward(needs, g, chain, shapes, n, *kept):
        return None, None, None, *Back.of(chain, shapes, len(g), *g, *kept), *[None] * len(kept)

    @staticmethod
    def jvp(tangents, chain, shapes, n, *inputs):
        return Along.of(chain, shapes, n, *_there(tangents[3:], inputs[:n]), *inputs[n:])


def _there(tangents: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(t) if d is None else d for d, t in zip(tangents, like, strict=False)]
