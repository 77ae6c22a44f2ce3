"""A canvas in inches with y pointing down, and the picture that it saves as SVG or PNG.

One version of matplotlib writes the same bytes for the same drawing: the font comes with matplotlib, text is saved as
paths, and the file has no date and no random ids.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from ..files import whole
from .style import DARK, INK, ON_COLOUR, OUTLINE, PAPER

FONT = "DejaVu Sans"
MARGIN = 0.15
DPI = 150  # of a PNG
MAX_PIXELS = 30_000  # of a PNG's longer side, which matplotlib limits

Point = tuple[float, float]
F = TypeVar("F", bound=Callable[..., Any])


class Rect(NamedTuple):
    """A rectangle by its centre, width and height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def left(self) -> float:
        return self.x - self.w / 2

    @property
    def right(self) -> float:
        return self.x + self.w / 2

    @property
    def top(self) -> float:
        return self.y - self.h / 2

    @property
    def bottom(self) -> float:
        return self.y + self.h / 2


def with_default_style(f: F) -> F:
    """f with matplotlib's default settings, whatever the user's matplotlibrc contains.

    Raises:
        ValueError: matplotlib is not installed.
    """

    @functools.wraps(f)
    def with_defaults(*args: Any, **kwargs: Any) -> Any:
        try:
            import matplotlib
        except ImportError as error:
            raise ValueError("matplotlib, which draws, is not installed; pip install matplotlib") from error
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update({"svg.hashsalt": "chapter14", "svg.fonttype": "path", "font.family": FONT})
            return f(*args, **kwargs)

    return with_defaults  # type: ignore[return-value]


class Picture:
    """A finished drawing.

    Attributes:
        texts: each text and its bounding box.
        numbers: the values shown, by name.
    """

    def __init__(self, figure: Any, texts: list[tuple[str, Rect]], numbers: dict[str, Tensor]):
        self._figure = figure
        self.texts = texts
        self.numbers = numbers

    @with_default_style
    def svg(self) -> str:
        """A self-contained SVG that follows the reader's light or dark mode."""
        file = io.StringIO()
        self._figure.savefig(file, format="svg", metadata={"Date": None})
        rules = "".join(
            f'[style*="{what}: {light}"] {{{what}: {dark} !important}}'
            for light, dark in DARK.items()
            for what in ("fill", "stroke")
        )
        style = f"<style>@media (prefers-color-scheme: dark) {{{rules}}}</style>\n </defs>"
        return "\n".join(line.rstrip() for line in file.getvalue().replace("</defs>", style, 1).splitlines()) + "\n"

    @with_default_style
    def png(self) -> bytes:
        """A PNG with 256 colours, a third of the size of RGB; a very long drawing gets fewer dots per inch."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        self._figure.set_dpi(min(DPI, int(MAX_PIXELS / max(self._figure.get_size_inches()))))
        agg = FigureCanvasAgg(self._figure)
        agg.draw()
        image = Image.frombuffer("RGBA", agg.get_width_height(), agg.buffer_rgba(), "raw", "RGBA", 0, 1)
        file = io.BytesIO()
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, "png", optimize=True)
        return file.getvalue()

    def save(self, path: str | Path) -> None:
        """Save as .svg or .png, by the ending of `path`.

        Raises:
            ValueError: the ending is another.
            NotWritten: the file cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".svg", ".png"):
            raise ValueError(f"{path}: the file name must end in .svg or .png.")
        content = self.svg().encode() if path.suffix == ".svg" else self.png()
        with whole(path) as beside:
            beside.write_bytes(content)

    def _repr_svg_(self) -> str:
        return self.svg()


class Canvas:
    """Everything is placed by its centre."""

    def __init__(self) -> None:
        from matplotlib.figure import Figure

        self._figure = Figure(facecolor=PAPER)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.axis("off")
        self.texts: list[tuple[str, Rect]] = []
        self.numbers: dict[str, Tensor] = {}
        self._corners: list[Point] = []

    def picture(self, width: float | None = None) -> Picture:
        """The picture, cropped to what is drawn, or centred in `width` inches.

        Raises:
            ValueError: the drawing is wider than `width`.
        """
        left, right = min(x for x, _ in self._corners) - MARGIN, max(x for x, _ in self._corners) + MARGIN
        top, bottom = min(y for _, y in self._corners) - MARGIN, max(y for _, y in self._corners) + MARGIN
        spare = (width or right - left) - (right - left)
        if spare < -1e-6:
            raise ValueError(f"the figure is {right - left:.2f} inches wide; at most {width} fit.")
        left, right = left - spare / 2, right + spare / 2
        self._axes.set(xlim=(left, right), ylim=(bottom, top))
        self._figure.set_size_inches(right - left, bottom - top)
        return Picture(self._figure, self.texts, self.numbers)

    def text(
        self, x: float, y: float, label: str, size: float = 10.5, colour: str = INK, align: str = "center",
        weight: str = "normal", background: str | None = None, family: str = FONT,
    ) -> Rect:  # fmt: skip
        """One line of text; `$...$` is an equation. `background` is a colour behind it."""
        w, h = _text_size(label, size, weight, family)
        frame = Rect(x + {"left": w / 2, "center": 0, "right": -w / 2}[align], y, w, h)
        if background:
            self.box(Rect(frame.x, y, w + 0.06, h + 0.05), background, outline=None, z=2, round=0)
        self._axes.text(
            x, y, label, size=size, color=colour, ha=align, va="center_baseline" if "$" not in label else "center",
            weight=weight, family=family, zorder=5, math_fontfamily="dejavusans",
        )  # fmt: skip
        self.texts.append((label, frame))
        self._extend(frame)
        return frame

    def box(self, frame: Rect, colour: str, outline: str | None = OUTLINE, z: float = 3, round: float = 0.06) -> Rect:
        from matplotlib.patches import FancyBboxPatch, Rectangle

        corner = (frame.left, frame.top)
        look: dict[str, Any] = {"fc": colour, "ec": outline or "none", "lw": 1.0, "zorder": z}
        if round:
            style = f"round,pad=0,rounding_size={min(round, frame.h / 2, frame.w / 2):.3f}"
            self._axes.add_artist(FancyBboxPatch(corner, frame.w, frame.h, style, clip_on=False, **look))
        else:
            self._axes.add_artist(Rectangle(corner, frame.w, frame.h, clip_on=False, **look))
        self._extend(frame)
        return frame

    def dot(self, x: float, y: float, colour: str, label: str, r: float = 0.19) -> None:
        from matplotlib.patches import Circle

        self._axes.add_artist(Circle((x, y), r, fc=colour, ec=OUTLINE, lw=1.0, zorder=3, clip_on=False))
        self._extend(Rect(x, y, 2 * r, 2 * r))
        self.text(x, y, label, size=9, colour=ON_COLOUR)

    def arrow(
        self, points: Sequence[Point], colour: str, dotted: bool = False, curved: Point | None = None,
        width: float = 2.4, over: Sequence[Point] = (),
    ) -> None:  # fmt: skip
        """An arrow along points; with `curved`, a smooth curve that starts and ends in that direction.

        It crosses other arrows at the points `over`, where those are interrupted.
        """
        from matplotlib.patches import PathPatch, Polygon

        *_, before, tip = points
        distance = math.hypot(tip[0] - before[0], tip[1] - before[1])
        along = curved or ((tip[0] - before[0]) / distance, (tip[1] - before[1]) / distance)
        length, half = 0.125, 0.062
        base = (tip[0] - length * along[0], tip[1] - length * along[1])
        path = _path([*points[:-1], base], curved)
        above = 1.0 if over else 0.0
        for x, y in over:
            self.box(Rect(x, y, 0.11, 0.11), PAPER, outline=None, z=1.5, round=0)
        for lw, shade, z in ((width + 1.1, OUTLINE, above + 1.0), (width, colour, above + 1.1)):
            dashes = {"ls": (0, (1.6 * width / lw, 1.2 * width / lw))} if dotted else {}
            look = {"fc": "none", "ec": shade, "lw": lw, "zorder": z, "capstyle": "butt"}
            self._axes.add_artist(PathPatch(path, clip_on=False, **look, **dashes))
        side = (-along[1] * half, along[0] * half)
        corners = [(base[0] + side[0], base[1] + side[1]), tip, (base[0] - side[0], base[1] - side[1])]
        self._axes.add_artist(Polygon(corners, fc=colour, ec=OUTLINE, lw=0.6, zorder=above + 1.2, clip_on=False))
        self._corners += points

    def brace(self, left: float, right: float, y: float, label: str) -> None:
        """A brace from left to right, with a label below it."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as MplPath

        middle, r = (left + right) / 2, 0.07
        points = [
            (left, y), (left, y + r), (left + r, y + r), (middle - r, y + r), (middle, y + r), (middle, y + 2 * r),
            (middle, y + r), (middle + r, y + r), (right - r, y + r), (right, y + r), (right, y),
        ]  # fmt: skip
        codes = [1, 3, 3, 2, 3, 3, 3, 3, 2, 3, 3]
        self._axes.add_artist(PathPatch(MplPath(points, codes), fc="none", ec=INK, lw=1.2, zorder=1, clip_on=False))
        self._corners += [(left, y), (right, y)]
        self.text(middle, y + 2 * r + 0.13, label)

    def image(self, frame: Rect, pixels: Any) -> None:
        """Pixels without interpolation."""
        extent = (frame.left, frame.right, frame.bottom, frame.top)
        self._axes.imshow(pixels, extent=extent, interpolation="none", aspect="auto", zorder=3, clip_on=False)
        self._extend(frame)

    def curve(self, points: Sequence[Point], colour: str) -> None:
        """A thin line through points."""
        xs, ys = zip(*points, strict=True)
        self._axes.plot(xs, ys, color=colour, lw=1.4, zorder=3, clip_on=False)
        self._corners += points

    def _extend(self, frame: Rect) -> None:
        self._corners += [(frame.left, frame.top), (frame.right, frame.bottom)]


def _path(points: Sequence[Point], along: Point | None) -> Any:
    from matplotlib.path import Path as MplPath

    if along is None:
        return MplPath([(round(x, 4), round(y, 4)) for x, y in points])
    vertices, codes = [points[0]], [MplPath.MOVETO]
    for (x, y), (u, v) in zip(points, points[1:], strict=False):
        half = ((u - x) / 2 * abs(along[0]), (v - y) / 2 * abs(along[1]))
        vertices += [(x + half[0], y + half[1]), (u - half[0], v - half[1]), (u, v)]
        codes += [MplPath.CURVE4] * 3
    return MplPath([(round(x, 4), round(y, 4)) for x, y in vertices], codes)


@functools.cache
def _text_size(label: str, size: float, weight: str, family: str) -> Point:
    """Width and height in inches, rounded up to a hundredth."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=family, size=size, weight=weight, math_fontfamily="dejavusans")
    w, h, _ = text_to_path.get_text_width_height_descent(label, font, "$" in label)
    return math.ceil(w / 72 * 100) / 100, math.ceil(h / 72 * 100) / 100
