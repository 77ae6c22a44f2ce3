"""Objectives of many entries of a layer. x_l is [B, C, *places]; inner products are over the C channels.

    direction     mean over places of <x_l, v>, times a power of their cosine
    dream         mean of x_l²
    diversity     for pictures drawn together: -cos(G_i, G_j), averaged over the others j

where G = x_l x_l^T / places, [C, C], is the Gram matrix: how often channels are active together, at any place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ... import functional as F
from ...models.state_dict import fingerprint
from .objective import Objective, at_layer, at_place, mean_per_picture, place_suffix

MIN_COSINE = 0.1  # before its power: where x_l points elsewhere there still is a gradient


def direction(
    layer: str,
    v: Tensor | Sequence[float],
    *,
    cosine_power: float = 0.0,
    cosine: bool = False,
    place: tuple[int, ...] | None = None,
    axis: int | None = None,
) -> Objective:
    """The projection of x_l onto v [C], averaged over all places, or at one `place` (row, column).

    Args:
        cosine_power: p, where <x_l, v> is multiplied by max(0.1, cos(x_l, v))^p: the larger, the more other directions
            are avoided.
        cosine: cos(x_l, v) instead.

    Raises:
        ValueError: v is not a vector, is zero or not finite, or its length is not the layer's number of channels.
    """
    v = torch.as_tensor(v, dtype=torch.float32).detach()
    if v.ndim != 1 or not v.isfinite().all() or not v.any():
        raise ValueError(f"direction of {layer}: expected a finite vector [C], not zero; it was given {list(v.shape)}.")

    def value(x_l: Tensor) -> Tensor:
        if x_l.shape[1] != len(v):
            raise ValueError(f"direction of {layer}: it has {len(v)} entries, and the layer {x_l.shape[1]} channels.")
        x_l = x_l if place is None else at_place(x_l, layer, place)
        w = v.to(x_l).view(1, -1, *(1 for _ in x_l.shape[2:]))
        return mean_per_picture(cosines(x_l, w) if cosine else projection(x_l, w, cosine_power))

    return at_layer(f"direction {short_fingerprint(v)} of {layer}{place_suffix(place)}", layer, value, axis)


def dream(layer: str, *, place: tuple[int, ...] | None = None, axis: int | None = None) -> Objective:
    """The mean of x_l² over the whole layer, as in DeepDream; or at one `place` (row, column)."""

    def value(x_l: Tensor) -> Tensor:
        return mean_per_picture(F.square(x_l if place is None else at_place(x_l, layer, place)))

    return at_layer(f"layer {layer}{place_suffix(place)}", layer, value, axis)


def diversity(layer: str, *, axis: int | None = None) -> Objective:
    """How much pictures that are drawn together differ; at most 0. To be added to another objective.

    From lucid; Olah et al., 2017, "Feature Visualization", use it for different pictures of one neuron.
    """

    def value(x_l: Tensor) -> Tensor:
        B = x_l.shape[0]
        G = F.normalize(F.reshape(gram(x_l), (B, x_l.shape[1] ** 2)), dim=1)
        rows, columns = F.branch(G)
        similarity = F.matmul(rows, F.transpose(columns, 0, 1))
        others = 1 - torch.eye(B, dtype=x_l.dtype, device=x_l.device)
        return F.mul(mean_per_picture(F.mul(similarity, others)), -B / max(B - 1, 1))

    return replace(at_layer(f"diversity of {layer}", layer, value, axis), together=True)


def cosines(x: Tensor, v: Tensor) -> Tensor:
    """x [B, C, *places], v that broadcasts with it → [B, 1, *places]."""
    return _dot(F.normalize(x, dim=1), F.normalize(v, dim=1))


def projection(x: Tensor, v: Tensor, cosine_power: float) -> Tensor:
    """<x, v> max(0.1, cos(x, v))^p at each place: [B, 1, *places]."""
    if not cosine_power:
        return _dot(x, v)
    x, also = F.branch(x)
    return F.mul(_dot(x, v), F.pow(F.clamp(cosines(also, v), MIN_COSINE), cosine_power))


def gram(x: Tensor) -> Tensor:
    """x [B, C, *places] → G [B, C, C]."""
    B, C, P = x.shape[0], x.shape[1], x.shape[2:].numel()
    rows, columns = F.branch(F.reshape(x, (B, C, P)))
    return F.mul(F.matmul(rows, F.transpose(columns, 1, 2)), 1 / max(P, 1))


def short_fingerprint(v: Tensor) -> str:
    """Tells tensors apart in the names of objectives, and so in checkpoints."""
    return fingerprint({"": v})[:6]


def _dot(x: Tensor, v: Tensor) -> Tensor:
    return F.sum_to_size(F.mul(x, v), (x.shape[0], 1, *x.shape[2:]))
