"""A network of straight lines with kinks as one layer: steps between registers, parameters fixed.

    x_out = A x_in + b           forward, keeping what A depends on: a few bits an entry
    g_in  = g A                  (14.10), back through all steps
    dx_out = A dx                along them

A depends on x by its kinks alone, so the second is linear in g, and goes back by the third; the third goes back by
the second. So there are derivatives of every order, of that which has any: of a straight line, the second is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layer import Layer
from .steps import Step


class Chain(nn.Module):
    """Registers 0, 1, ... are x_in; step i reads registers `reads[i]` and writes the next one; `gives` are x_out."""

    def __init__(self, steps: Sequence[Step], reads: Sequence[Sequence[int]], inputs: int, gives: Sequence[int]):
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self.reads, self.inputs, self.gives = reads, inputs, gives
        last_read = {r: i for i, registers in enumerate(reads) for r in registers}
        self._done = [[r for r, i in last_read.items() if i == now and r not in gives] for now in range(len(steps))]

    def forward(self, *x: Tensor) -> tuple[Tensor, ...]:
        if torch.is_grad_enabled() and any(t.requires_grad for t in x):
            return Through.of(self, [], *x)[:-1]
        return self.through(x, None)[:-1]

    def through(self, x: Sequence[Tensor], shapes: list[torch.Size] | None) -> tuple[Tensor, ...]:
        """x_in → x_out, then what A depends on; `shapes` takes those of all registers. None: nothing is kept."""
        registers: list[Tensor | None] = list(x)
        kept = []
        if shapes is not None:
            shapes += [t.shape for t in x]
        for step, reads, done in zip(list(self.steps), self.reads, self._done, strict=True):
            x_out, code = step.run([registers[r] for r in reads], shapes is not None)
            registers.append(x_out)
            if shapes is not None:
                shapes.append(x_out.shape)
            if code is not None:
                kept.append(code)
            for r in done:
                registers[r] = None
        bits = torch.cat(kept) if kept else x[0].new_empty(0, dtype=torch.uint8)
        return *[_apart(registers[r], x) for r in self.gives], bits

    def back(self, g: Sequence[Tensor], shapes: Sequence[torch.Size], bits: Tensor) -> tuple[Tensor, ...]:
        """g_out → g_in. What comes back to a register from several steps adds up, (14.46)."""
        arrived: dict[int, Tensor] = {}
        ours: set[int] = set()

        def arrive(r: int, g: Tensor, own: bool) -> None:
            if r not in arrived:
                arrived[r] = g
            elif r in ours:
                arrived[r].add_(g)
                return
            elif own:
                arrived[r] = g.add_(arrived[r])
            else:
                arrived[r], own = arrived[r] + g, True
            if own:
                ours.add(r)

        for r, g_out in zip(self.gives, g, strict=True):
            arrive(r, g_out, False)
        end, steps = len(bits), list(self.steps)
        for i in range(len(steps) - 1, -1, -1):
            step = steps[i]
            begin = end - step.bytes(shapes[self.inputs + i])
            g_out = arrived.pop(self.inputs + i, None)
            if g_out is not None:
                like, kept = [shapes[r] for r in self.reads[i]], bits[begin:end]
                g_in = step.back(step.gated(g_out, kept), like, kept)
                del g_out
                for r, g_r in zip(self.reads[i], g_in, strict=True):
                    arrive(r, g_r, step.fresh)
            end = begin
        return tuple(arrived[r] if r in arrived else g[0].new_zeros(shapes[r]) for r in range(self.inputs))

    def along(self, dx: Sequence[Tensor], shapes: Sequence[torch.Size], bits: Tensor) -> tuple[Tensor, ...]:
        """dx_in → dx_out."""
        registers = list(dx)
        begin = 0
        for i, (step, reads) in enumerate(zip(list(self.steps), self.reads, strict=True)):
            end = begin + step.bytes(shapes[self.inputs + i])
            kept = bits[begin:end]
            registers.append(step.gated(step.along([registers[r] for r in reads], kept), kept))
            begin = end
        return tuple(_apart(registers[r], dx) for r in self.gives)


def _apart(x_out: Tensor, x_in: Sequence[Tensor]) -> Tensor:
    """x_out in memory of its own."""
    memory = x_out.untyped_storage().data_ptr()
    return x_out.clone() if any(t.untyped_storage().data_ptr() == memory for t in x_in) else x_out


class Through(Layer):
    """x_in → x_out, and what A depends on."""

    many = True

    @staticmethod
    def forward(chain, shapes, *x):
        return chain.through(x, shapes)

    @staticmethod
    def remember(needs, inputs, x_out):
        chain, shapes, *_ = inputs
        return x_out[-1], chain, shapes

    @staticmethod
    def backward(needs, g, bits, chain, shapes):
        return None, None, *Back.of(chain, shapes, bits, *g[:-1])

    @staticmethod
    def jvp(tangents, chain, shapes, *x):
        shapes: list[torch.Size] = []
        bits = chain.through([t.detach() for t in x], shapes)[-1]
        dx = [torch.zeros_like(t) if d is None else d for d, t in zip(tangents[2:], x, strict=True)]
        return *Along.of(chain, shapes, bits, *dx), None


class Back(Layer):
    """g_out → g_in = g_out A."""

    many = True

    @staticmethod
    def forward(chain, shapes, bits, *g):
        return chain.back(g, shapes, bits)

    @staticmethod
    def remember(needs, inputs, x_out):
        return inputs[:3]

    @staticmethod
    def backward(needs, G, chain, shapes, bits):
        return None, None, None, *Along.of(chain, shapes, bits, *G)

    @staticmethod
    def jvp(tangents, chain, shapes, bits, *g):
        return Back.of(chain, shapes, bits, *_there(tangents[3:], g))


class Along(Layer):
    """dx_in → dx_out = A dx_in."""

    many = True

    @staticmethod
    def forward(chain, shapes, bits, *dx):
        return chain.along(dx, shapes, bits)

    @staticmethod
    def remember(needs, inputs, x_out):
        return inputs[:3]

    @staticmethod
    def backward(needs, g, chain, shapes, bits):
        return None, None, None, *Back.of(chain, shapes, bits, *g)

    @staticmethod
    def jvp(tangents, chain, shapes, bits, *dx):
        return Along.of(chain, shapes, bits, *_there(tangents[3:], dx))


def _there(tangents: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(t) if d is None else d for d, t in zip(tangents, like, strict=True)]
