"""How the chapter colours its figures, and how a number is written in one."""

from __future__ import annotations

#: The chapter's own, as in figure 14.17.
PARAMS = "#4db3ff"  # free parameters: rgb(77, 179, 255)
DATA = "#33e633"  # data going forward: rgb(51, 230, 51)
BACK = "#e63333"  # gradients of data coming back: rgb(230, 51, 51)
GRADIENT = "#f7e059"  # gradients of parameters: rgb(247, 224, 89)
LAYER = "#f2d69e"  # rgb(242, 214, 158)

PAPER, INK, MUTED = "#ffffff", "#24292f", "#57606a"
ON = "#1b1f23"  # what is written on a colour
RIM = "#7d8590"  # around what is coloured
SHARED = "#d0d7de"  # the grey box of (14.2) and (14.3)

#: What those of a page become in an SVG that is looked at in the dark. What is coloured stays as it is.
DARK = {PAPER: "#0d1117", INK: "#e6edf3", MUTED: "#9da7b1", SHARED: "#30363d"}

DECIMALS = 10  # as many as every machine has alike: rounded first, 0.125 is written the same everywhere


def said(value: float) -> str:
    """A number with two decimals."""
    return f"{round(value, DECIMALS) + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")


def shaded(colour: str, strength: float) -> str:
    """A colour, from nearly white at 0 to nearly itself at 1."""
    share = 0.12 + 0.78 * strength
    mixed = [round(255 + share * (int(colour[i : i + 2], 16) - 255)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def shape(sizes: tuple[int, ...]) -> str:
    return f"[{' × '.join(map(str, sizes))}]"
