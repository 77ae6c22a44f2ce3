"""Objectives of many entries of a layer at once. x_l is [B, C, *places]; a sum over a place is over its C channels.

    direction     mean over places of <x_l, v>, times the cosine of both to a power
    dream         mean of x_l²
    diversity     of pictures that are drawn together: -cos(G_i, G_j), the mean over the others j

where G = x_l x_l^T / places, [C, C], is how much channels occur together, and no matter where.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ... import functional as F
from ...layers.core.arithmetic import mean_along
from ...models.clip_file import fingerprint
from .objective import Objective, at, at_layer

LEAST = 0.1  # of a cosine, before its power: what points elsewhere still has a gradient


def direction(
    layer: str,
    v: Tensor | Sequence[float],
    *,
    cosine_power: float = 0.0,
    cosine: bool = False,
    place: tuple[int, ...] | None = None,
    axis: int | None = None,
) -> Objective:
    """How far x_l goes along v [C], at every place and on average, or at one `place` (row, column).

    Args:
        cosine_power: p, of max(0.1, cos(x_l, v))^p, by which <x_l, v> is multiplied: the larger, the more it counts
            that x_l goes nowhere else.
        cosine: rather cos(x_l, v) alone.

    Raises:
        ValueError: v is no vector, is zero or not finite, or has not as many entries as the layer has channels.
    """
    v = torch.as_tensor(v, dtype=torch.float32).detach()
    if v.ndim != 1 or not v.isfinite().all() or not v.any():
        raise ValueError(
            f"direction of {layer}: it is a vector [C], finite, and not zero; it was given {list(v.shape)}."
        )

    def value(x_l: Tensor) -> Tensor:
        if x_l.shape[1] != len(v):
            raise ValueError(f"direction of {layer}: it has {len(v)} entries, and the layer {x_l.shape[1]} channels.")
        x_l = x_l if place is None else at(x_l, layer, place)
        w = v.to(x_l).view(1, -1, *(1 for _ in x_l.shape[2:]))
        return mean(cosines(x_l, w) if cosine else along(x_l, w, cosine_power))

    return at_layer(f"direction {said(v)} of {layer}{_where(place)}", layer, value, axis)


def dream(layer: str, *, place: tuple[int, ...] | None = None, axis: int | None = None) -> Objective:
    """The mean of x_l², all that the layer sees: as DeepDream; at one `place` (row, column), what it sees there."""

    def value(x_l: Tensor) -> Tensor:
        return mean(F.square(x_l if place is None else at(x_l, layer, place)))

    return at_layer(f"layer {layer}{_where(place)}", layer, value, axis)


def diversity(layer: str, *, axis: int | None = None) -> Objective:
    """Of pictures that are drawn together, how unlike they are to each other; 0 at most. To be added to another.

    From lucid; Olah et al., 2017, "Feature Visualization", have pictures of one neuron differ by it.
    """

    def value(x_l: Tensor) -> Tensor:
        B = x_l.shape[0]
        G = F.normalize(F.reshape(gram(x_l), (B, x_l.shape[1] ** 2)), dim=1)
        mine, theirs = F.branch(G)
        alike = F.matmul(mine, F.transpose(theirs, 0, 1))
        others = 1 - torch.eye(B, dtype=x_l.dtype, device=x_l.device)
        return F.mul(mean(F.mul(alike, others)), -B / max(B - 1, 1))

    objective = at_layer(f"diversity of {layer}", layer, value, axis)
    return Objective(objective.name, objective.layers, objective.bind, together=True)


def mean(x: Tensor) -> Tensor:
    """x [B, ...] → [B]."""
    return F.reshape(mean_along(x, range(1, x.ndim)), (x.shape[0],))


def cosines(x: Tensor, v: Tensor) -> Tensor:
    """x [B, C, *places], v that broadcasts with it → [B, 1, *places]."""
    return _dot(F.normalize(x, dim=1), F.normalize(v, dim=1))


def along(x: Tensor, v: Tensor, cosine_power: float) -> Tensor:
    """<x, v> max(0.1, cos(x, v))^p, place by place: [B, 1, *places]."""
    if not cosine_power:
        return _dot(x, v)
    x, also = F.branch(x)
    return F.mul(_dot(x, v), F.pow(F.clamp(cosines(also, v), LEAST), cosine_power))


def gram(x: Tensor) -> Tensor:
    """x [B, C, *places] → G [B, C, C]."""
    B, C, P = x.shape[0], x.shape[1], x.shape[2:].numel()
    rows, columns = F.branch(F.reshape(x, (B, C, P)))
    return F.mul(F.matmul(rows, F.transpose(columns, 1, 2)), 1 / max(P, 1))


def said(v: Tensor) -> str:
    """A name for a tensor: what a checkpoint knows it by."""
    return fingerprint({"": v})[:6]


def _dot(x: Tensor, v: Tensor) -> Tensor:
    return F.sum_to_size(F.mul(x, v), (x.shape[0], 1, *x.shape[2:]))


def _where(place: Sequence[int] | None) -> str:
    return "" if place is None else f" at {', '.join(map(str, place))}"
