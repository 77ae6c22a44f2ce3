"""Norms of each datapoint by itself; `standardize` has what they share.

layer_norm      means over the last axes; w and b an entry of these
rms_norm        the same, not centred, and no b
group_norm      means over a group of channels and all places; w and b a channel
instance_norm   the same, each channel a group of its own
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.shape import ShapeError, check_floating, was_given
from ..core.cache_blocks import row_blocks
from .standardize import FusedNorm, Norm, NormFrame


class LayerNorm(Norm):
    autocast: ClassVar[str | None] = "float32"
    title = "layer_norm"

    @staticmethod
    def forward(x: Tensor, w: Tensor | None, b: Tensor | None, axes: int, eps: float) -> Tensor:
        return native.layer_norm(x, [*x.shape[x.ndim - axes :]], w, b, eps)

    @staticmethod
    def frame(shape, axes, eps):
        N = math.prod(shape[len(shape) - axes :])
        return NormFrame((math.prod(shape[: len(shape) - axes]), N), (N,), (-1,), eps)

    @classmethod
    def few_passes(cls, needs, g, x, w, eps):
        N = x.shape[1]
        g_in, g_w, g_b = torch.empty_like(x), None, None
        for g_, x_, into in row_blocks(g, x, g_in):
            x_hat, r = cls.standardized(x_, eps)
            gx = g_ * x_hat
            g_w = _total(g_w, gx.sum(0)) if needs[1] else None
            g_b = _total(g_b, g_.sum(0)) if needs[2] else None
            if needs[0]:  # r (g w - mean(g w) - x^ mean(g w x^))
                gw = g_ if w is None else torch.mul(g_, w, out=into)
                a = r / -N
                mean_gx = (gx.sum(-1) if w is None else gx @ w).unsqueeze(-1).mul_(a)
                mean_g = gw.sum(-1, keepdim=True).mul_(a) if cls.centred else 0
                torch.mul(gw, r, out=into).addcmul_(x_hat, mean_gx).add_(mean_g)
        return g_in, g_w, g_b

    @staticmethod
    def standardized(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """x^ [B, N] and r [B, 1], by the kernel."""
        one = x.new_ones(x.shape[1])  # the kernel is twice as fast with a w and a b
        x_hat, _, r = torch.native_layer_norm(x, one.shape, one, torch.zeros_like(one), eps)
        return x_hat, r.to(x.dtype)


class FusedLayerNorm(FusedNorm):
    @staticmethod
    def forward(x: Tensor, w: Tensor | None, b: Tensor | None, axes: int, eps: float) -> tuple[Tensor, ...]:
        x_out, mean, r = torch.native_layer_norm(x, x.shape[x.ndim - axes :], w, b, eps)
        return x_out, r, mean

    @staticmethod
    def frame(shape, axes, eps):
        last = range(len(shape) - axes, len(shape))
        return NormFrame(shape, shape[last.start :], (*last,), eps)


LayerNorm.fused = FusedLayerNorm


class RMSNorm(LayerNorm):
    autocast = None
    title = "rms_norm"
    letters = {"x": "...", "w": "..."}
    centred = False

    @staticmethod
    def forward(x, w, b, axes, eps):
        return native.rms_norm(x, x.shape[x.ndim - axes :], w, eps)

    @staticmethod
    def standardized(x, eps):
        r = x.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        return x * r, r


class FusedRMSNorm(FusedLayerNorm):
    @staticmethod
    def forward(x, w, b, axes, eps):
        x = x.contiguous()  # as the kernel's x_out
        r = (x.square().mean((*range(x.ndim - axes, x.ndim),), keepdim=True) + eps).rsqrt()
        return x * r if w is None else x * r * w, r


RMSNorm.fused = FusedRMSNorm


class _NormOfGroups(Norm):
    """Means over a group of channels and all places."""

    @classmethod
    def few_passes(cls, needs, g, x, w, eps):
        _, groups, channels, places = x.shape
        g_in, g_w, g_b = torch.empty_like(x), None, None
        for g_, x_, into in row_blocks(g, x, g_in):
            B, C = len(x_), groups * channels
            c = (x_ - x_.mean((-2, -1), keepdim=True)).contiguous()  # the kernel rounds at the size of its input
            x_hat, _, r = torch.native_group_norm(c, None, None, B, C, places, groups, eps)
            r = r.to(x.dtype).view(B, groups, 1, 1)
            sum_gx, sum_g = (t.sum(-1, keepdim=True) for t in (torch.mul(g_, x_hat, out=into), g_))
            g_w, g_b = _total(g_w, sum_gx.sum(0)), _total(g_b, sum_g.sum(0))
            if needs[0]:  # r (g w - mean(g w) - x^ mean(g w x^))
                a = r if w is None else r * w
                mean_gx, mean_g = ((s * a).sum(-2, keepdim=True).div_(-channels * places) for s in (sum_gx, sum_g))
                torch.mul(g_, a, out=into).addcmul_(x_hat, mean_gx).add_(mean_g)
        return g_in, g_w, g_b


class GroupNorm(_NormOfGroups):
    autocast = "float32"
    title = "group_norm"

    @staticmethod
    def forward(x, w, b, groups, eps):
        return native.group_norm(x, groups, w, b, eps)

    @staticmethod
    def frame(shape, groups, eps):
        B, C = shape[:2]
        return NormFrame((B, groups, C // groups, math.prod(shape[2:])), (groups, C // groups, 1), (2, 3), eps)


class FusedGroupNorm(FusedNorm):
    frame = staticmethod(GroupNorm.frame)

    @staticmethod
    def forward(x, w, b, groups, eps):
        B, C, *places = x.shape
        x_out, mean, r = torch.native_group_norm(x, w, b, B, C, math.prod(places), groups, eps)
        return x_out, r, mean


GroupNorm.fused = FusedGroupNorm


class InstanceNorm(_NormOfGroups):
    """Each channel a group of its own. `forward` updates the running statistics, which have no gradient."""

    title = "instance_norm"
    aside = 3

    @staticmethod
    def forward(x, w, b, running_mean, running_var, momentum, eps):
        return native.instance_norm(x, running_mean, running_var, w, b, True, momentum, eps)

    @staticmethod
    def frame(shape, eps):
        return GroupNorm.frame(shape, max(shape[1], 1), eps)


def _total(total: Tensor | None, t: Tensor) -> Tensor:
    """The total of the blocks so far, and of t."""
    return t if total is None else total.add_(t)


def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """input [..., *normalized_shape], weight and bias [*normalized_shape]. As `torch.nn.functional.layer_norm`."""
    _check_last_axes("layer_norm", normalized_shape, input=input, weight=weight, bias=bias)
    return LayerNorm.of(input, weight, bias, len(normalized_shape), eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """As `torch.nn.functional.rms_norm`: x / (mean x² + ε)^(1/2), times weight. ε is the dtype's own, if not given; of
    float16 and bfloat16, which are computed in float32, that of float32."""
    _check_last_axes("rms_norm", normalized_shape, input=input, weight=weight)
    check_floating("rms_norm", input=input)
    if weight is not None and weight.is_complex() and not input.is_complex():
        raise TypeError("rms_norm: a complex weight is for complex input, not for real input. Make it complex too.")
    eps = torch.finfo(torch.promote_types(input.dtype, torch.float32)).eps if eps is None else eps
    return RMSNorm.of(input, weight, None, len(normalized_shape), eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """input [B, C, ...], weight and bias [C], C a multiple of the groups. As `torch.nn.functional.group_norm`.

    Raises:
        ShapeError: they do not fit; it is both a ValueError and a RuntimeError.
        ValueError: there is one value a group, which has no variance.
    """
    shape = input.shape
    parameters = {name: p for name, p in (("weight", weight), ("bias", bias)) if p is not None}
    fits = input.ndim >= 2 and num_groups > 0 and shape[1] % num_groups == 0
    if not fits or any(p.shape != shape[1:2] for p in parameters.values()):
        given = was_given(input=input, **parameters)
        raise ShapeError(f"group_norm: it expects input [B, C, ...], the rest [C], C in {num_groups} groups; {given}")
    if shape[0] * (shape[1] // num_groups) * math.prod(shape[2:]) == 1:
        raise ValueError(f"group_norm: one value a group has no spread; {was_given(input=input)}")
    return GroupNorm.of(input, weight, bias, num_groups, eps)


def _check_last_axes(layer: str, normalized_shape: Sequence[int], input: Tensor, **parameters: Tensor | None) -> None:
    shape, axes = tuple(normalized_shape), len(normalized_shape)
    fits = axes and tuple(input.shape[-axes:]) == shape
    if not fits or any(p is not None and p.shape != shape for p in parameters.values()):
        sizes = ", ".join(str(n) for n in shape)
        expected = ", ".join(f"{name} [{sizes}]" for name in parameters)
        given = was_given(input=input, **parameters)
        raise ShapeError(f"{layer}: it expects input [..., {sizes}], {expected}; {given}")
