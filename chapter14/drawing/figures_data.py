"""Figure 14.23, section 14.9: the image that maximizes a node of a small CLIP."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..models.load import load_network
from ..models.state_dict import fingerprint
from ..visualization.optimization.optimize import visualize
from ..visualization.optimization.recipe import EMBEDDED
from ..visualization.output.render import to_image
from .canvas import Canvas, Rect
from .style import DATA, MUTED, two_decimals

SENTENCE = "a photo of a cat"
STAGES = (0, 0.05, 0.15, 0.5, 0.75, 1)  # the images shown, as fractions of all steps
SIDE, PIXELS = 1.23, 144


def optimal_image(canvas: Canvas, steps: int | None = None) -> None:
    """14.23"""
    network = load_network("embedded")
    images: list[Tensor] = []
    drawn = visualize(network, SENTENCE, steps=steps, on_step=lambda step: images.append(step.x[0].detach().clone()))
    J = drawn.history[:, 0].double()
    for i, at in enumerate(round(share * (len(J) - 1)) for share in STAGES):
        x = (i - (len(STAGES) - 1) / 2) * (SIDE + 0.1)
        frame = Rect(x, 0, SIDE, SIDE)
        canvas.image(frame, np.asarray(to_image(images[at], PIXELS)))
        canvas.text(x, -0.77, f"step {at + 1}", size=9.5)
        canvas.text(x, 0.77, f"$J$ = {two_decimals(float(J[at]))}", size=9.5)
    _curve(canvas, J, 1.1, 1.0)
    weights = fingerprint(network.model.state_dict())[:12]
    added = f"noise is added {len(EMBEDDED.cycles)} times. Weights {weights}."
    J_is = f"$J$ = −log (probability of “{SENTENCE}”) before each step"
    canvas.text(0, 2.4, f"{J_is}; {added}", size=9, colour=MUTED)
    canvas.numbers["J"] = J


def _curve(canvas: Canvas, J: Tensor, top: float, height: float) -> None:
    """The curve of J over the steps."""
    low, high = float(J.min()), float(J.max())
    left, wide = -len(STAGES) / 2 * (SIDE + 0.1) + 0.7, len(STAGES) * (SIDE + 0.1) - 0.8
    points = [
        (left + wide * i / max(len(J) - 1, 1), round(top + height * (high - v) / (high - low or 1.0), 4))
        for i, v in enumerate(J.tolist())
    ]
    canvas.box(Rect(left + wide / 2, top + height / 2, wide + 0.1, height + 0.1), "none", round=0)
    canvas.curve(points, DATA)
    for value, y in ((high, top), (low, top + height)):
        canvas.text(left - 0.1, y, two_decimals(value), size=8, colour=MUTED, align="right")
    canvas.text(left - 0.35, top + height / 2, "$J$", size=10)
