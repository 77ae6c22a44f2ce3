"""Transforms that go together."""

from __future__ import annotations

from .colour import Noise
from .move import Flip, Jitter, Pad
from .transform import Transform
from .warp import Affine

#: Small ones, which keep every detail of a picture: the default of a descent from a given picture.
JITTER, NOISE = Jitter(1), Noise(0.05)
TRANSFORMS: tuple[Transform, ...] = (JITTER, Flip(), NOISE)

#: Those of lucid (Olah, Mordvintsev, Schubert, 2017), for networks of large pictures; the picture keeps its size.
ROBUST: tuple[Transform, ...] = (Pad(12), Jitter(8), Affine(10, 0.9, 1.1), Jitter(4), Pad(-12))
