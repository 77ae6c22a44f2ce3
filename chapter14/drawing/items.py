"""What stands in a row of a figure: values as shaded matrices, layers as boxes, signs; and arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .canvas import Canvas, Frame
from .style import BACK, DATA, GRADIENT, INK, LAYER, MUTED, ON, PARAMS, said, shaded, shape

CELL_W, CELL_H = 0.42, 0.27
NAME, SHAPE = 0.2, 0.17  # the room that the name above takes, and the shape below
WIDTH = 8.4  # of a figure, in inches


@dataclass(frozen=True)
class Cells:
    """A matrix [rows, columns], each entry shaded by how large it is."""

    name: str
    values: Tensor
    colour: str
    shaped: bool = True

    @property
    def w(self) -> float:
        return CELL_W * self.values.shape[1]

    @property
    def h(self) -> float:
        return CELL_H * self.values.shape[0]

    def draw(self, canvas: Canvas, x: float, y: float) -> Frame:
        values = self.values.detach()
        largest = float(values.abs().max()) or 1.0
        for i, line in enumerate(values.tolist()):
            for j, value in enumerate(line):
                cx = x + (j + 0.5) * CELL_W - self.w / 2
                cy = y + (i + 0.5) * CELL_H - self.h / 2
                canvas.box(Frame(cx, cy, CELL_W, CELL_H), shaded(self.colour, round(abs(value) / largest, 3)), round=0)
                canvas.text(cx, cy, said(value), size=8.5, colour=ON)
        if self.name:
            canvas.text(x, y - self.h / 2 - NAME / 2 - 0.02, self.name)
            canvas.numbers[self.name.strip("$")] = values
        if self.shaped:
            canvas.text(x, y + self.h / 2 + SHAPE / 2 + 0.02, shape(tuple(values.shape)), size=8, colour=MUTED)
        return Frame(x, y, self.w, self.h)


@dataclass(frozen=True)
class Box:
    """A layer."""

    name: str
    colour: str = LAYER
    w: float = 0.64
    h: float = 0.5
    size: float = 10.5

    def draw(self, canvas: Canvas, x: float, y: float) -> Frame:
        frame = canvas.box(Frame(x, y, self.w, self.h), self.colour)
        canvas.text(x, y, self.name, self.size, ON)
        return frame


@dataclass(frozen=True)
class Sign:
    """What stands between, and no arrow leads to: =, +; with `passed`, what is left out, and arrows go through it."""

    name: str
    passed: bool = False
    w: float = 0.2
    h: float = 0.2

    def draw(self, canvas: Canvas, x: float, y: float) -> Frame:
        if self.name:
            canvas.text(x, y, self.name, size=12, colour=INK)
        return Frame(x, y, self.w, self.h)


Item = Cells | Box | Sign


def column(name: str, v: Tensor, colour: str = DATA) -> Cells:
    return Cells(name, v.reshape(-1, 1), colour)


def row(name: str, v: Tensor, colour: str = BACK) -> Cells:
    return Cells(name, v.reshape(1, -1), colour)


def width(items: Sequence[Item], gap: float) -> float:
    return sum(item.w for item in items) + gap * (len(items) - 1)


def in_a_row(
    canvas: Canvas,
    items: Sequence[Item],
    y: float,
    middle: float = 0.0,
    gap: float = 0.24,
    arrows: str | None = None,
    back: bool = False,
) -> list[Frame]:
    """Items from left to right about `middle`; arrows of a colour between those that are no sign, or the other way."""
    left, frames = middle - width(items, gap) / 2, []
    for item in items:
        frames.append(item.draw(canvas, left + item.w / 2, y))
        left += item.w + gap
    stands = list(zip(items, frames, strict=True))
    for (a, one), (b, other) in zip(stands, stands[1:], strict=False):
        if arrows and not any(isinstance(item, Sign) and not item.passed for item in (a, b)):
            ends = [(one.right + 0.02, y), (other.left - 0.02, y)]
            canvas.arrow(ends[::-1] if back else ends, arrows)
    return frames


def into(
    canvas: Canvas,
    item: Cells,
    layer: Frame,
    colour: str = PARAMS,
    dx: float = 0.0,
    reach: float = 0.25,
    to: float | None = None,
) -> Frame:
    """A value above a layer, `dx` beside its middle, and the arrow from it, which ends `to` beside the middle."""
    shaped = SHAPE if item.shaped else 0
    frame = item.draw(canvas, layer.x + dx, layer.top - reach - shaped - 0.04 - item.h / 2)
    end = layer.x + (dx if to is None else to)
    canvas.arrow([(frame.x, layer.top - reach), (end, layer.top - 0.02)], colour)
    return frame


def out_of(
    canvas: Canvas,
    item: Cells,
    layer: Frame,
    colour: str = GRADIENT,
    dx: float = 0.0,
    reach: float = 0.25,
    to: float | None = None,
) -> Frame:
    """A value below a layer, and the arrow to it."""
    top = layer.bottom + reach
    frame = item.draw(canvas, layer.x + dx, top + NAME + 0.04 + item.h / 2)
    start = layer.x + (dx if to is None else to)
    canvas.arrow([(start, layer.bottom + 0.02), (frame.x, top)], colour)
    return frame


def up_into(canvas: Canvas, item: Cells, layer: Frame, colour: str = DATA, reach: float = 0.25) -> Frame:
    """A value below a layer, and the arrow from it."""
    top = layer.bottom + reach
    frame = item.draw(canvas, layer.x, top + NAME + 0.04 + item.h / 2)
    canvas.arrow([(frame.x, top), (frame.x, layer.bottom + 0.02)], colour)
    return frame


def named(
    canvas: Canvas,
    x: float,
    y: float,
    name: str,
    colour: str = PARAMS,
    sizes: tuple[int, ...] = (),
    w: float = 0.5,
    h: float = 0.3,
) -> Frame:
    """A value by its name, and its shape above it, where its entries would take too much room."""
    frame = canvas.box(Frame(x, y, w, h), colour)
    canvas.text(x, y, name, size=9.5, colour=ON)
    if sizes:
        canvas.text(x, frame.top - 0.1, shape(sizes), size=8, colour=MUTED)
    return frame


def named_into(canvas: Canvas, name: str, theta: Tensor, layer: Frame) -> None:
    """A θ by its name, above a layer."""
    frame = named(canvas, layer.x, layer.top - 0.43, name, PARAMS, tuple(theta.shape))
    canvas.arrow([(frame.x, frame.bottom), (frame.x, layer.top - 0.02)], PARAMS)
