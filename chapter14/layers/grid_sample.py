"""Images read at the places of a grid: torch.nn.functional.grid_sample. Linear in the image, and not in the grid.

    x_out[p] = sum_k w_k(grid[p]) x_in[at_k[p]],  k over the pixels around the place

    g_in[at_k[p]] += w_k(grid[p]) g_out[p]                            the transposed map: what comes back, put in place
    dJ/dgrid[p]    = sum_k w_k'(grid[p]) <g_out[p], x_in[at_k[p]]>

Of <g, sample(x, grid)>, which is linear in g and in x, these are the gradients; so the way back of the transposed map
is made of the same three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..layer import Layer, LinearMap
from ..shape import ShapeError, in_words
from .arithmetic import added, gate, keep, sum_along, times
from .arrange import reshape
from .gather import pick, place
from .grid import Corner, Reading, corners
from .merge import merge

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


class GridSample(Layer):
    autocast = "widest"
    letters = {"x": "B C ...", "grid": "B ..."}
    title = "grid_sample"

    @staticmethod
    def forward(x, grid, reading):
        mode, padding = _MODES.index(reading.mode), _PADDINGS.index(reading.padding)
        return torch.grid_sampler(x, grid, mode, padding, reading.align_corners)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, grid, reading = inputs
        return x if needs[1] else None, grid, x.shape, reading

    @staticmethod
    def backward(needs, g, x, grid, shape, reading):
        return (
            GridPlace.of(g, grid, shape, reading) if needs[0] else None,
            _grid_prime(g, x, grid, reading) if needs[1] else None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, grid, reading):
        dx, dgrid, _ = tangents
        return added(
            None if dx is None else GridSample.of(dx, grid, reading),
            None if dgrid is None else _sampled_along(x, grid, dgrid, reading),
        )


class GridPlace(Layer):
    """The map back from x_out to x_in."""

    @staticmethod
    def forward(g, grid, shape, reading):
        flat = g.reshape(*shape[:2], g.shape[2:].numel())
        x_out = flat.new_zeros(*shape[:2], math.prod(shape[2:]))
        for corner in corners(_in_a_row(grid), shape[2:], reading):
            part = flat * (corner.w * corner.there)[:, None]
            x_out = x_out.scatter_add(-1, corner.at[:, None].expand(part.shape), part)
        return x_out.reshape(shape)

    @staticmethod
    def remember(needs, inputs, x_out):
        g, grid, shape, reading = inputs
        return g if needs[1] else None, grid, reading

    @staticmethod
    def backward(needs, G, g, grid, reading):
        return (
            GridSample.of(G, grid, reading) if needs[0] else None,
            _grid_prime(g, G, grid, reading) if needs[1] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, g, grid, shape, reading):
        dg, dgrid, *_ = tangents
        return added(
            None if dg is None else GridPlace.of(dg, grid, shape, reading),
            None if dgrid is None else _placed_along(g, grid, dgrid, shape, reading),
        )


# The derivatives by the grid, of layers: [B, C, P] are images in a row, and [B, P, axes] is the grid.


def _in_a_row(grid: Tensor) -> Tensor:
    return reshape(grid, (grid.shape[0], grid.shape[1:-1].numel(), grid.shape[-1]))


def _pixels(x: Tensor) -> Tensor:
    return reshape(x, (*x.shape[:2], x.shape[2:].numel()))


def _read(pixels: Tensor, corner: Corner) -> Tensor:
    B, C = pixels.shape[:2]
    return pick(pixels, corner.at[:, None].expand(B, C, corner.at.shape[-1]), -1)


def _stacked(terms: Sequence[Tensor]) -> Tensor:
    return merge(*[reshape(t, (*t.shape, 1)) for t in terms], dim=-1)


def _grid_prime(g: Tensor, x: Tensor, grid: Tensor, reading: Reading) -> Tensor:
    pixels, rows, of_each = _pixels(x), _pixels(g), []
    for corner in corners(_in_a_row(grid), x.shape[2:], reading):
        dots = reshape(sum_along(times(rows, _read(pixels, corner)), 1), corner.at.shape)
        of_each.append([times(keep(dots, corner.there), w) for w in corner.w_prime])
    by_axis = [added(*terms) for terms in zip(*of_each, strict=True)]
    return reshape(_stacked(by_axis), grid.shape)


def _weight_along(corner: Corner, dgrid: Tensor) -> Tensor:
    """The derivative of its weight along dgrid [B, P, axes]: [B, 1, P]."""
    along = reshape(sum_along(times(_stacked(corner.w_prime), dgrid), -1), corner.at.shape)
    return reshape(gate(along, corner.there), (along.shape[0], 1, along.shape[1]))


def _sampled_along(x: Tensor, grid: Tensor, dgrid: Tensor, reading: Reading) -> Tensor:
    pixels, tangent = _pixels(x), _in_a_row(dgrid)
    there = corners(_in_a_row(grid), x.shape[2:], reading)
    x_out = added(*[times(_read(pixels, corner), _weight_along(corner, tangent)) for corner in there])
    return reshape(x_out, (*x.shape[:2], *grid.shape[1:-1]))


def _placed_along(g: Tensor, grid: Tensor, dgrid: Tensor, shape: torch.Size, reading: Reading) -> Tensor:
    rows, tangent, terms = _pixels(g), _in_a_row(dgrid), []
    for corner in corners(_in_a_row(grid), shape[2:], reading):
        part = times(rows, _weight_along(corner, tangent))
        whole = torch.Size((*shape[:2], math.prod(shape[2:])))
        terms.append(place(part, corner.at[:, None].expand(part.shape), -1, whole))
    return reshape(added(*terms), shape)


class AffineGrid(LinearMap):
    autocast = "lower"

    @staticmethod
    def forward(theta, size, align_corners):
        return torch.affine_grid_generator(theta, size, align_corners)

    @staticmethod
    def transpose(g, shape, size, align_corners):
        return AffineGridBack.of(g, size, align_corners)


class AffineGridBack(LinearMap):
    """The grid of the identity holds the places (x, y) themselves."""

    @staticmethod
    def forward(g, size, align_corners):
        axes = len(size) - 2
        identity = torch.eye(axes, axes + 1, dtype=g.dtype, device=g.device)[None]
        places = torch.affine_grid_generator(identity, (1, *size[1:]), align_corners).reshape(-1, axes)
        ones = places.new_ones(places.shape[0], 1)
        return g.reshape(g.shape[0], places.shape[0], axes).mT @ torch.cat([places, ones], -1)

    @staticmethod
    def transpose(g, shape, size, align_corners):
        return AffineGrid.of(g, size, align_corners)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """input [B, C, H, W] read at grid [B, H', W', 2], (x, y) from -1 to 1 → [B, C, H', W']; or with a third axis.

    As `torch.nn.functional.grid_sample`; align_corners=None is False.
    """
    if mode not in _MODES or padding_mode not in _PADDINGS:
        raise ValueError(
            f"grid_sample: mode is one of {_MODES}, padding_mode one of {_PADDINGS}; it was given mode={mode!r}, "
            f"padding_mode={padding_mode!r}."
        )
    return GridSample.of(input, grid, Reading(mode, padding_mode, bool(align_corners)))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid [B, H, W, 2] of theta (x, y, 1), for theta [B, 2, 3] and an image of size (B, C, H, W).

    Or of three axes, for theta [B, 3, 4]. As `torch.nn.functional.affine_grid`; align_corners=None is False.
    """
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid: size is (B, C, H, W) or (B, C, D, H, W); it was given {tuple(size)}.")
    axes = len(size) - 2
    if not theta.is_floating_point() or theta.ndim != 3 or theta.shape[1:] != (axes, axes + 1) or min(size) <= 0:
        raise ShapeError(
            f"affine_grid: it expects theta [B, {axes}, {axes + 1}] of floating-point numbers and a size above 0; "
            f"it was given theta {in_words(theta)}, size={tuple(size)}."
        )
    return AffineGrid.of(theta, tuple(size), bool(align_corners))
