"""The colours of the figures, and how they show numbers and shapes."""

from __future__ import annotations

#: The colours of figure 14.17.
PARAMS = "#4db3ff"  # free parameters: rgb(77, 179, 255)
DATA = "#33e633"  # forward data: rgb(51, 230, 51)
BACK = "#e63333"  # gradients of data: rgb(230, 51, 51)
GRADIENT = "#f7e059"  # gradients of parameters: rgb(247, 224, 89)
LAYER = "#f2d69e"  # layers: rgb(242, 214, 158)

PAPER, INK, MUTED = "#ffffff", "#24292f", "#57606a"
ON_COLOUR = "#1b1f23"  # text on a colour
OUTLINE = "#7d8590"  # of coloured boxes and arrows
SHARED = "#d0d7de"  # the grey box around the factors that (14.2) and (14.3) share

#: Their counterparts in the dark mode of an SVG. The other colours are the same in both modes.
DARK = {PAPER: "#0d1117", INK: "#e6edf3", MUTED: "#9da7b1", SHARED: "#30363d"}

DECIMALS = 10  # rounding to these first makes 0.125 look the same on every machine


def two_decimals(value: float) -> str:
    return f"{round(value, DECIMALS) + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def shade(colour: str, strength: float) -> str:
    """A tint of a colour: nearly white at strength 0, nearly the colour itself at 1."""
    share = 0.12 + 0.78 * strength
    mixed = [round(255 + share * (int(colour[i : i + 2], 16) - 255)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def shape_text(sizes: tuple[int, ...]) -> str:
    return f"[{' × '.join(map(str, sizes))}]"
