"""Where a browser is, and how legible a colour is on another, as WCAG has it."""

import re
import shutil

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def luminance(colour):
    """Of "rgb(0, 0, 0)" or, where colours were mixed, "color(srgb 0 0 0)"."""
    values = [float(v) for v in re.findall(r"[\d.]+", colour)[:3]]
    values = values if "srgb" in colour else [v / 255 for v in values]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return sum(c * v for c, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    low, high = sorted(map(luminance, (a, b)))
    return (high + 0.05) / (low + 0.05)
