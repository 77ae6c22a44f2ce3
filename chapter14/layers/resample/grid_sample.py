"""Images sampled at the points of a grid: torch.nn.functional.grid_sample. Linear in the image, not in the grid.

    x_out[p] = sum_k w_k(grid[p]) x_in[at_k[p]],  k over the pixels around the point

    sample     x_out[p]        = sum_k w_k[p] x[at_k[p]]
    splat      x_out[at_k[p]] += w_k[p] g[p]
    match      x_out_k[p]      = <g[p], x[at_k[p]]>

<g, sample(x, w)> = <x, splat(g, w)> = <w, match(g, x)> is linear in each of the three: the gradients of each layer are
the two others. With w(grid), a composition of layers, this is all that grid_sample needs:

    g_in = splat(g_out, w(grid)),  dJ/dgrid = sum_k match(g_out, x_in)_k w_k'(grid)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ...layer.base import Layer, LinearMap
from ...layer.shape import ShapeError, was_given
from ..core.arithmetic import added, sum_along, times
from ..core.arrange import reshape
from ..core.bilinear_map import BilinearMap
from ..core.merge import stack
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
            dx = reshape(Splat.of(rows, around.w(), around.at, shape[2:].numel()), shape)
        if needs[1]:
            matched = Match.of(rows, _pixels(x), around.at)
            dgrid = reshape(stack([sum_along(times(matched, w), 1) for w in around.w_prime()], -1), grid.shape)
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
    return reshape(Sample.of(_pixels(x), dw, around.at), (*x.shape[:2], *grid.shape[1:-1]))


def _in_a_row(grid: Tensor) -> Tensor:
    """[B, ..., axes] → [B, P, axes]."""
    return reshape(grid, (grid.shape[0], grid.shape[1:-1].numel(), grid.shape[-1]))


def _pixels(x: Tensor) -> Tensor:
    """[B, C, ...] → [B, C, P]."""
    return reshape(x, (*x.shape[:2], x.shape[2:].numel()))


# Images are [B, C, N], samples [B, C, P], w and at [B, K, P]. Pixels outside the image have at = N.


def _one_by_one(x: Tensor, at: Tensor) -> Iterator[Tensor]:
    """x[at_k] for each k, [B, C, P]; 0 outside the image."""
    x = torch.nn.functional.pad(x, (0, 1))
    for of_k in at.unbind(1):
        yield x.gather(-1, of_k[:, None].expand(-1, x.shape[1], -1))


class Sample(BilinearMap):
    @staticmethod
    def forward(x, w, at):
        return sum(part * of_k[:, None] for part, of_k in zip(_one_by_one(x, at), w.unbind(1), strict=True))

    @staticmethod
    def transpose_a(g, w, shape, at):
        return Splat.of(g, w, at, shape[-1])

    @staticmethod
    def transpose_b(g, x, shape, at):
        return Match.of(g, x, at)


class Splat(BilinearMap):
    @staticmethod
    def forward(g, w, at, N):
        x_out = g.new_zeros(*g.shape[:2], N + 1)
        for of_k, at_k in zip(w.unbind(1), at.unbind(1), strict=True):
            x_out = x_out.scatter_add(-1, at_k[:, None].expand(g.shape), g * of_k[:, None])
        return x_out[..., :N].contiguous()

    @staticmethod
    def transpose_a(G, w, shape, at, N):
        return Sample.of(G, w, at)

    @staticmethod
    def transpose_b(G, g, shape, at, N):
        return Match.of(g, G, at)


class Match(BilinearMap):
    @staticmethod
    def forward(g, x, at):
        dots = torch.stack([(g * part).sum(1) for part in _one_by_one(x, at)], 1)
        return dots.where(at < x.shape[-1], 0)  # also where g is infinite

    @staticmethod
    def transpose_a(W, x, shape, at):
        return Sample.of(x, W, at)

    @staticmethod
    def transpose_b(W, g, shape, at):
        return Splat.of(g, W, at, shape[-1])


class AffineGrid(LinearMap):
    autocast = "lower"

    forward = staticmethod(torch.affine_grid_generator)

    @staticmethod
    def transpose(g, shape, size, align_corners):
        return AffineGridTranspose.of(g, shape, size, align_corners)


class AffineGridTranspose(LinearMap):
    """The grid of the identity has the points (x, y) themselves."""

    @staticmethod
    def forward(g, shape, size, align_corners):
        axes = len(size) - 2
        identity = torch.eye(axes, axes + 1, dtype=g.dtype, device=g.device)[None]
        points = torch.affine_grid_generator(identity, (1, *size[1:]), align_corners).reshape(-1, axes)
        ones = points.new_ones(points.shape[0], 1)
        return g.reshape(g.shape[0], points.shape[0], axes).mT @ torch.cat([points, ones], -1)

    @staticmethod
    def transpose(g, _, shape, size, align_corners):
        return AffineGrid.of(g, size, align_corners)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """input [B, C, H, W] at the points grid [B, H', W', 2], (x, y) from -1 to 1 → [B, C, H', W']; or in 3 dimensions.

    As `torch.nn.functional.grid_sample`; align_corners=None is False.
    """
    if mode not in _MODES or padding_mode not in _PADDINGS:
        given = was_given(mode=mode, padding_mode=padding_mode)
        raise ValueError(f"grid_sample: mode is one of {_MODES}, padding_mode one of {_PADDINGS}; {given}")
    return GridSample.of(input, grid, Reading(mode, padding_mode, bool(align_corners)))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The points theta (x, y, 1) [B, H, W, 2], for theta [B, 2, 3] and an image of size (B, C, H, W).

    Or in 3 dimensions, for theta [B, 3, 4]. As `torch.nn.functional.affine_grid`; align_corners=None is False.
    """
    if len(size) not in (4, 5):
        raise NotImplementedError(f"affine_grid: size is (B, C, H, W) or (B, C, D, H, W); it was given {tuple(size)}.")
    axes = len(size) - 2
    if not theta.is_floating_point() or theta.ndim != 3 or theta.shape[1:] != (axes, axes + 1) or min(size) <= 0:
        expected = f"floating-point theta [B, {axes}, {axes + 1}] and a positive size"
        raise ShapeError(f"affine_grid: it expects {expected}; {was_given(theta=theta, size=tuple(size))}")
    return AffineGrid.of(theta, tuple(size), bool(align_corners))
