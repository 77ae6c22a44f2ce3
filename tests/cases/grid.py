"""Images read at the places of a grid."""

import itertools

import torch
from torch.nn import functional as native

import chapter14.functional as F

from .declare import case, one
from .resample import BATCHED


def onto(place, n, padding, align):
    """A place beyond the border, brought onto an image of n pixels."""
    if padding == "reflection":
        low, span = (0, n - 1) if align else (-0.5, n)
        away = (place - low).abs() % (2 * span)
        place = span - (away - span).abs() + low
    return place if padding == "zeros" else place.clamp(0, n - 1)


def taps(u, n, mode, padding, align):
    """The pixels of one axis, each with its weight."""
    place = (u + 1) / 2 * (n - 1) if align else ((u + 1) * n - 1) / 2
    if mode == "bicubic":
        low = place.detach().floor()
        t, a = place - low, -0.75
        near = lambda s: ((a + 2) * s - (a + 3)) * s * s + 1  # noqa: E731
        far = lambda s: ((a * s - 5 * a) * s + 8 * a) * s - 4 * a  # noqa: E731
        weights = far(t + 1), near(t), near(1 - t), far(2 - t)
        return [(onto(low + k, n, padding, align), w) for k, w in enumerate(weights, -1)]
    place = onto(place, n, padding, align)
    if mode == "nearest":
        return [(place.detach().round(), torch.ones_like(place))]
    low = place.detach().floor()
    return [(low, 1 - (place - low)), (low + 1, place - low)]


def sampled(x, grid, mode, padding, align):
    """grid_sample out of plain operations: PyTorch's has no forward mode."""
    size, pixels, x_out = x.shape[2:], x.flatten(2), 0
    u = grid.flatten(1, -2).unbind(-1)
    for corner in itertools.product(
        *(taps(c, n, mode, padding, align) for c, n in zip(u, reversed(size), strict=True))
    ):
        w, at, stride = 1, 0, 1
        for (place, weight), n in zip(corner, reversed(size), strict=True):
            w = w * weight * ((place >= 0) & (place < n))
            at = at + place.clamp(0, n - 1).long() * stride
            stride = stride * n
        x_out = x_out + w[:, None] * pixels.gather(-1, at[:, None].expand(-1, x.shape[1], -1))
    return x_out.unflatten(-1, grid.shape[1:-1])


GAPS = {
    "forward_mode_agrees": "PyTorch's has none; mixed_mode_orders compares it",
    "nan_inputs": "PyTorch's way back reads beyond its memory where the grid is NaN, and crashes",
}


def read(mode, padding, align=False, axes=2, title=""):
    """Some of the places are outside."""

    def inputs(draw, n):
        return draw(n, 2, *(2, 3, 2)[:axes]), draw(n, *(2, 1, 1)[:axes], axes)

    def call(f):
        return lambda x, u: f(x, u, mode, padding, align)

    return case("grid_sample", call(F.grid_sample), call(native.grid_sample), inputs, call(sampled),
                title=title or f"{mode}, {padding}",
                skip=BATCHED | GAPS)  # fmt: skip


CASES = [
    read("bilinear", "zeros"),
    read("bilinear", "border"),
    read("bilinear", "reflection", True),
    read("nearest", "border"),
    read("bicubic", "zeros"),
    read("bicubic", "reflection"),
    read("bilinear", "zeros", axes=3, title="three axes"),
    case("affine_grid", lambda x: F.affine_grid(x, (x.shape[0], 1, 4, 5), False),
         lambda x: native.affine_grid(x, (x.shape[0], 1, 4, 5), False), one(2, 3), skip=BATCHED),
]  # fmt: skip
