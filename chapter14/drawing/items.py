"""The parts of a figure: values as shaded matrices, layers as boxes, signs, and the arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .canvas import Canvas, Rect
from .style import BACK, DATA, GRADIENT, INK, LAYER, MUTED, ON_COLOUR, PARAMS, shade, shape_text, two_decimals

CELL_W, CELL_H = 0.42, 0.27
NAME, SHAPE = 0.2, 0.17  # the height of the name above a matrix, and of the shape below
WIDTH = 8.4  # of a figure, in inches


@dataclass(frozen=True)
class Matrix:
    """A matrix [rows, columns], each entry shaded by its magnitude."""

    name: str
    values: Tensor
    colour: str
    show_shape: bool = True

    @property
    def w(self) -> float:
        return CELL_W * self.values.shape[1]

    @property
    def h(self) -> float:
        return CELL_H * self.values.shape[0]

    def draw(self, canvas: Canvas, x: float, y: float) -> Rect:
        values = self.values.detach()
        largest = float(values.abs().max()) or 1.0
        for i, line in enumerate(values.tolist()):
            for j, value in enumerate(line):
                cx = x + (j + 0.5) * CELL_W - self.w / 2
                cy = y + (i + 0.5) * CELL_H - self.h / 2
                canvas.box(Rect(cx, cy, CELL_W, CELL_H), shade(self.colour, round(abs(value) / largest, 3)), round=0)
                canvas.text(cx, cy, two_decimals(value), size=8.5, colour=ON_COLOUR)
        if self.name:
            canvas.text(x, y - self.h / 2 - NAME / 2 - 0.02, self.name)
            canvas.numbers[self.name.strip("$")] = values
        if self.show_shape:
            canvas.text(x, y + self.h / 2 + SHAPE / 2 + 0.02, shape_text(tuple(values.shape)), size=8, colour=MUTED)
        return Rect(x, y, self.w, self.h)


@dataclass(frozen=True)
class Box:
    """A layer."""

    name: str
    colour: str = LAYER
    w: float = 0.64
    h: float = 0.5
    size: float = 10.5

    def draw(self, canvas: Canvas, x: float, y: float) -> Rect:
        frame = canvas.box(Rect(x, y, self.w, self.h), self.colour)
        canvas.text(x, y, self.name, self.size, ON_COLOUR)
        return frame


@dataclass(frozen=True)
class Sign:
    """A sign between items, such as = or +. Arrows skip it, unless it is `passed`: an ellipsis."""

    name: str
    passed: bool = False
    w: float = 0.2
    h: float = 0.2

    def draw(self, canvas: Canvas, x: float, y: float) -> Rect:
        if self.name:
            canvas.text(x, y, self.name, size=12, colour=INK)
        return Rect(x, y, self.w, self.h)


Item = Matrix | Box | Sign


def column(name: str, v: Tensor, colour: str = DATA) -> Matrix:
    return Matrix(name, v.reshape(-1, 1), colour)


def row(name: str, v: Tensor, colour: str = BACK) -> Matrix:
    return Matrix(name, v.reshape(1, -1), colour)


def width(items: Sequence[Item], gap: float) -> float:
    return sum(item.w for item in items) + gap * (len(items) - 1)


def draw_row(
    canvas: Canvas, items: Sequence[Item], y: float, middle: float = 0.0, gap: float = 0.24,
    arrows: str | None = None, backward: bool = False,
) -> list[Rect]:  # fmt: skip
    """Items from left to right, centred at `middle`; between layers and values, arrows of the colour `arrows`."""
    left, frames = middle - width(items, gap) / 2, []
    for item in items:
        frames.append(item.draw(canvas, left + item.w / 2, y))
        left += item.w + gap
    drawn = list(zip(items, frames, strict=True))
    for (a, left_frame), (b, right_frame) in zip(drawn, drawn[1:], strict=False):
        if arrows and not any(isinstance(item, Sign) and not item.passed for item in (a, b)):
            ends = [(left_frame.right + 0.02, y), (right_frame.left - 0.02, y)]
            canvas.arrow(ends[::-1] if backward else ends, arrows)
    return frames


def input_above(
    canvas: Canvas, item: Matrix, layer: Rect, colour: str = PARAMS, dx: float = 0.0, reach: float = 0.25,
    to: float | None = None,
) -> Rect:  # fmt: skip
    """A value above a layer and the arrow down to it, at the offsets `dx` and `to` from the layer's middle."""
    below = SHAPE if item.show_shape else 0
    frame = item.draw(canvas, layer.x + dx, layer.top - reach - below - 0.04 - item.h / 2)
    end = layer.x + (dx if to is None else to)
    canvas.arrow([(frame.x, layer.top - reach), (end, layer.top - 0.02)], colour)
    return frame


def output_below(
    canvas: Canvas, item: Matrix, layer: Rect, colour: str = GRADIENT, dx: float = 0.0, reach: float = 0.25,
    to: float | None = None,
) -> Rect:  # fmt: skip
    """A value below a layer and the arrow down to it, as in `input_above`."""
    top = layer.bottom + reach
    frame = item.draw(canvas, layer.x + dx, top + NAME + 0.04 + item.h / 2)
    start = layer.x + (dx if to is None else to)
    canvas.arrow([(start, layer.bottom + 0.02), (frame.x, top)], colour)
    return frame


def input_below(canvas: Canvas, item: Matrix, layer: Rect, colour: str = DATA, reach: float = 0.25) -> Rect:
    """A value below a layer and the arrow up from it."""
    top = layer.bottom + reach
    frame = item.draw(canvas, layer.x, top + NAME + 0.04 + item.h / 2)
    canvas.arrow([(frame.x, top), (frame.x, layer.bottom + 0.02)], colour)
    return frame


def named_box(
    canvas: Canvas, x: float, y: float, name: str, colour: str = PARAMS, sizes: tuple[int, ...] = (), w: float = 0.5,
    h: float = 0.3,
) -> Rect:  # fmt: skip
    """A value whose entries would take too much room: its name in a box, and its shape above."""
    frame = canvas.box(Rect(x, y, w, h), colour)
    canvas.text(x, y, name, size=9.5, colour=ON_COLOUR)
    if sizes:
        canvas.text(x, frame.top - 0.1, shape_text(sizes), size=8, colour=MUTED)
    return frame


def named_input_above(canvas: Canvas, name: str, theta: Tensor, layer: Rect) -> None:
    """A named box of θ above a layer, and the arrow down to it."""
    frame = named_box(canvas, layer.x, layer.top - 0.43, name, PARAMS, tuple(theta.shape))
    canvas.arrow([(frame.x, frame.bottom), (frame.x, layer.top - 0.02)], PARAMS)
