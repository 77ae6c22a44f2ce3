"""Images read at the places of a grid: torch.nn.functional.grid_sample. Linear in the image, and not in the grid.

    x_out[p] = sum_k w_k(grid[p]) x_in[at_k[p]],  k over the pixels around the place

    read    x_out[p]        = sum_k w_k[p] x[at_k[p]]
    spread  x_out[at_k[p]] += w_k[p] g[p]
    match   x_out_k[p]      = <g[p], x[at_k[p]]>

<g, read(x, w)> = <x, spread(g, w)> = <w, match(g, x)> is linear in each of the three: the way back of each layer is
made of the other two. With w(grid), a composition of layers, this is all that grid_sample needs:

    g_in = spread(g_out, w(grid)),  dJ/dgrid = sum_k match(g_out, x_in)_k w_k'(grid)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...layer import Layer, LinearMap
from ...shape import ShapeError, in_words
from ..core.arithmetic import added, sum_along, times
from ..core.arrange import reshape
from ..core.merge import merge
from .grid_points import Reading, by_axis, corners

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


class GridSample(Layer):
    autocast = "widest"
    letters = {"x": "B C ...", "grid": "B ..."}
    title = "grid_sample"
    opmath = "derivatives"

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
        around, rows = corners(_in_a_row(grid), shape[2:], reading), _pixels(g)
        dx = dgrid = None
        if needs[0]:
            dx = reshape(Spread.of(rows, around.w(), around.at, shape[2:].numel()), shape)
        if needs[1]:
            matched = Match.of(rows, _pixels(x), around.at)
            dgrid = reshape(_stacked([sum_along(times(matched, w), 1) for w in around.w_prime()]), grid.shape)
        return dx, dgrid, None

    @staticmethod
    def jvp(tangents, x, grid, reading):
        dx, dgrid, _ = tangents
        return added(
            None if dx is None else GridSample.of(dx, grid, reading),
            None if dgrid is None else _sampled_along(x, grid, dgrid, reading),
        )


def _sampled_along(x: Tensor, grid: Tensor, dgrid: Tensor, reading: Reading) -> Tensor:
    around, along = corners(_in_a_row(grid), x.shape[2:], reading), by_axis(_in_a_row(dgrid))
    dw = added(*[times(w, du) for w, du in zip(around.w_prime(), along, strict=True)])
    return reshape(Read.of(_pixels(x), dw, around.at), (*x.shape[:2], *grid.shape[1:-1]))


def _in_a_row(grid: Tensor) -> Tensor:
    """[B, ..., axes] → [B, P, axes]."""
    return reshape(grid, (grid.shape[0], grid.shape[1:-1].numel(), grid.shape[-1]))


def _pixels(x: Tensor) -> Tensor:
    """[B, C, ...] → [B, C, P]."""
    return reshape(x, (*x.shape[:2], x.shape[2:].numel()))


def _stacked(terms: Sequence[Tensor]) -> Tensor:
    return merge(*[reshape(t, (*t.shape, 1)) for t in terms], dim=-1)


# [B, C, N] are images, [B, C, P] what is read; w and at are [B, K, P]. A pixel that is not there is at N.


def _one_by_one(x: Tensor, at: Tensor) -> Iterator[Tensor]:
    """x[at_k] for each k, [B, C, P]; 0 where there is none."""
    x = torch.nn.functional.pad(x, (0, 1))
    for of_k in at.unbind(1):
        yield x.gather(-1, of_k[:, None].expand(-1, x.shape[1], -1))


class Read(Layer):
    @staticmethod
    def forward(x, w, at):
        return sum(part * of_k[:, None] for part, of_k in zip(_one_by_one(x, at), w.unbind(1), strict=True))

    @staticmethod
    def remember(needs, inputs, x_out):
        x, w, at = inputs
        return x if needs[1] else None, w if needs[0] else None, at, x.shape[-1]

    @staticmethod
    def backward(needs, g, x, w, at, N):
        return Spread.of(g, w, at, N) if needs[0] else None, Match.of(g, x, at) if needs[1] else None, None

    @staticmethod
    def jvp(tangents, x, w, at):
        dx, dw, _ = tangents
        return added(None if dx is None else Read.of(dx, w, at), None if dw is None else Read.of(x, dw, at))


class Spread(Layer):
    @staticmethod
    def forward(g, w, at, N):
        x_out = g.new_zeros(*g.shape[:2], N + 1)
        for of_k, at_k in zip(w.unbind(1), at.unbind(1), strict=True):
            x_out = x_out.scatter_add(-1, at_k[:, None].expand(g.shape), g * of_k[:, None])
        return x_out[..., :N].contiguous()

    @staticmethod
    def remember(needs, inputs, x_out):
        g, w, at, _ = inputs
        return g if needs[1] else None, w if needs[0] else None, at

    @staticmethod
    def backward(needs, G, g, w, at):
        return Read.of(G, w, at) if needs[0] else None, Match.of(g, G, at) if needs[1] else None, None, None

    @staticmethod
    def jvp(tangents, g, w, at, N):
        dg, dw, *_ = tangents
        return added(None if dg is None else Spread.of(dg, w, at, N), None if dw is None else Spread.of(g, dw, at, N))


class Match(Layer):
    @staticmethod
    def forward(g, x, at):
        dots = torch.stack([(g * part).sum(1) for part in _one_by_one(x, at)], 1)
        return dots.where(at < x.shape[-1], 0)  # of an infinite g too

    @staticmethod
    def remember(needs, inputs, x_out):
        g, x, at = inputs
        return g if needs[1] else None, x if needs[0] else None, at, x.shape[-1]

    @staticmethod
    def backward(needs, W, g, x, at, N):
        return Read.of(x, W, at) if needs[0] else None, Spread.of(g, W, at, N) if needs[1] else None, None

    @staticmethod
    def jvp(tangents, g, x, at):
        dg, dx, _ = tangents
        return added(None if dg is None else Match.of(dg, x, at), None if dx is None else Match.of(g, dx, at))


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
