"""Normalisation: x, measured from its own mean in units of its own spread.

    standardize    x^ = (x - μ) r,  μ = mean x,  r = (mean (x - μ)² + ε)^(-1/2)
                   g_in = r (g - mean g - x^ mean(g x^))           L is its own transpose
    layer_norm     x_out = x^ w + b, over the last axes
    batch_norm     x_out = x^ w + b, over the batch and the places; x^ by the running μ and r where it does not train
    normalize      x_out = x / |x|,  g_in = (g - x_out <x_out, g>) / |x|

μ and r are computed again from x on the way back: what is remembered of them would carry no derivative of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as native

from ..layer import Layer, cast
from ..shape import ShapeError, check_floating, in_words
from .arithmetic import added, gate, mean_along, minus, plus, power, scale, shift, sum_along, times
from .arrange import reshape
from .branch import branch, spread, total
from .pointwise import absolute


class Standardize(Layer):
    letters = {"x": "..."}

    @staticmethod
    def forward(x, dims, eps):
        c = x - x.mean(dims, keepdim=True)
        return c * (c.square().mean(dims, keepdim=True) + eps).rsqrt()

    @staticmethod
    def backward(needs, g, x, dims, eps):
        return _standardize_prime(g, x, dims, eps), None, None

    @staticmethod
    def jvp(tangents, x, dims, eps):
        return _standardize_prime(tangents[0], x, dims, eps)


def _standardize_prime(g: Tensor, x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    c = minus(x, mean_along(x, dims))
    r = power(shift(mean_along(times(c, c), dims), eps), -0.5)
    x_hat = times(c, r)
    return times(r, minus(minus(g, mean_along(g, dims)), times(x_hat, mean_along(times(g, x_hat), dims))))


class Norm(Layer):
    """x_out = x^ w + b, where w and b broadcast. A subclass has the kernel."""

    letters = {"x": "...", "w": "...", "b": "..."}

    @staticmethod
    def remember(needs, inputs, x_out):
        x, w, b, dims, eps = inputs
        shapes = (None if w is None else w.shape, None if b is None else b.shape)
        return x if needs[0] or needs[1] else None, w if needs[0] else None, *shapes, dims, eps

    @staticmethod
    def backward(needs, g, x, w, w_shape, b_shape, dims, eps):
        return (
            _standardize_prime(g if w is None else times(g, w), x, dims, eps) if needs[0] else None,
            total(times(g, Standardize.of(x, dims, eps)), w_shape) if needs[1] else None,
            total(g, b_shape) if needs[2] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(tangents, x, w, b, dims, eps):
        dx, dw, db, *_ = tangents
        dx_hat = None if dx is None else _standardize_prime(dx, x, dims, eps)
        return added(
            dx_hat if w is None or dx_hat is None else times(dx_hat, w),
            None if dw is None else times(Standardize.of(x, dims, eps), dw),
            None if db is None else spread(db, x.shape),
        )


class LayerNorm(Norm):
    autocast = "float32"
    title = "layer_norm"

    @staticmethod
    def forward(x, w, b, dims, eps):
        return native.layer_norm(x, x.shape[x.ndim - len(dims) :], w, b, eps)


class BatchNorm(Norm):
    title = "batch_norm"

    @staticmethod
    def forward(x, w, b, dims, eps):
        w, b = (None if p is None else p.reshape(-1) for p in (w, b))
        return native.batch_norm(x, None, None, w, b, training=True, eps=eps)


class Affine(Layer):
    """x_out = x a + b, where a and b broadcast: batch norm, once it has stopped to learn."""

    letters = {"x": "...", "a": "...", "b": "..."}

    @staticmethod
    def forward(x, a, b):
        return torch.addcmul(b, x, a)

    @staticmethod
    def remember(needs, inputs, x_out):
        x, a, b = inputs
        return x if needs[1] else None, a if needs[0] else None, a.shape, b.shape

    @staticmethod
    def backward(needs, g, x, a, a_shape, b_shape):
        return (
            times(g, a) if needs[0] else None,
            total(times(g, x), a_shape) if needs[1] else None,
            total(g, b_shape) if needs[2] else None,
        )

    @staticmethod
    def jvp(tangents, x, a, b):
        dx, da, db = tangents
        return added(
            None if dx is None else times(dx, a),
            None if da is None else times(x, da),
            None if db is None else spread(db, x.shape),
        )


class Normalize(Layer):
    """By its L2 norm, or by ε where that is smaller: there x_out is x / ε, whose L is I / ε."""

    letters = {"x": "..."}

    @staticmethod
    def forward(x, dim, eps):
        return native.normalize(x, dim=dim, eps=eps)

    @staticmethod
    def backward(needs, g, x, dim, eps):
        return Normalize.jvp((g,), x, dim, eps), None, None  # L is its own transpose

    @staticmethod
    def jvp(tangents, x, dim, eps):
        g = tangents[0]
        square = sum_along(times(x, x), dim)
        long = square.detach() > eps * eps
        safe = plus(gate(square, long), (~long).to(x.dtype) * eps * eps)  # a power of 0 has no derivative
        inverse = power(safe, -0.5)
        x_out = times(x, inverse)
        along = gate(sum_along(times(x_out, g), dim), long)
        return times(inverse, minus(g, times(x_out, along)))


def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """input [..., *normalized_shape], weight and bias [*normalized_shape]. As `torch.nn.functional.layer_norm`."""
    shape, axes = tuple(normalized_shape), len(normalized_shape)
    fits = axes and tuple(input.shape[-axes:]) == shape
    if not fits or any(p is not None and p.shape != shape for p in (weight, bias)):
        sizes = ", ".join(str(n) for n in shape)
        raise ShapeError(
            f"layer_norm: it expects input [..., {sizes}], weight [{sizes}], bias [{sizes}]; it was given "
            f"input {in_words(input)}, weight {in_words(weight)}, bias {in_words(bias)}."
        )
    return LayerNorm.of(input, weight, bias, tuple(range(-axes, 0)), eps)


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """input [B, C, ...], the rest [C]. As `torch.nn.functional.batch_norm`: where it trains, the running statistics are
    updated in place.

    Raises:
        ValueError: one value a channel has no spread to train by; `eps` is negative; or there is nothing to go by.
    """
    _check_batch_norm(input, running_mean, running_var, weight, bias, training, eps)
    dims = (0, *range(2, input.ndim))
    along = (input.shape[1], *(1 for _ in dims[1:]))  # [C], in the shape that broadcasts with x
    w, b = (None if p is None else reshape(p, along) for p in (weight, bias))
    if training:
        if running_mean is not None and running_var is not None:
            _keep_running(running_mean, running_var, input, dims, momentum)
        return BatchNorm.of(input, w, b, dims, eps)
    assert running_mean is not None and running_var is not None
    wide = torch.promote_types(input.dtype, torch.float32)  # x a + b, rounded once
    r = (running_var.to(wide) + eps).rsqrt().reshape(along)
    a, also = (r, r) if w is None else branch(times(cast(w, wide), r))
    less = times(also, running_mean.to(wide).reshape(along))
    b = scale(less, -1) if b is None else minus(cast(b, wide), less)
    return cast(Affine.of(cast(input, wide), a, b), input.dtype)


@torch.no_grad()
def _keep_running(mean: Tensor, variance: Tensor, x: Tensor, dims: tuple[int, ...], momentum: float) -> None:
    v, m = torch.var_mean(x.detach(), dims)
    mean.lerp_(m.to(mean.dtype), momentum)
    variance.lerp_(v.to(variance.dtype), momentum)


def _check_batch_norm(x, running_mean, running_var, weight, bias, training, eps):
    owned = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    given = {name: p for name, p in owned.items() if p is not None}
    if x.ndim < 2 or any(p.shape != x.shape[1:2] for p in given.values()):
        words = ", ".join(f"{name} {in_words(p)}" for name, p in {"input": x, **given}.items())
        raise ShapeError(f"batch_norm: it expects input [B, C, ...], and the rest [C]; it was given {words}.")
    check_floating("batch_norm", input=x)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: eps is positive; it was given eps={eps}.")
    if training and x.numel() == x.shape[1]:
        raise ValueError(f"batch_norm: it trains on more than one value a channel; it was given input {in_words(x)}.")
    if not training and (running_mean is None or running_var is None):
        raise ValueError(
            "batch_norm: where it does not train, it goes by running_mean and running_var, which are None."
        )


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """x / max(|x|, eps), with |x| the p-norm along `dim`. As `torch.nn.functional.normalize`."""
    check_floating("normalize", input=input)
    if p == 2:
        return Normalize.of(input, dim, eps)
    x, also = branch(input)
    norm = power(sum_along(power(absolute(also), p), dim), 1 / p)
    long = norm.detach() > eps
    return times(x, power(plus(gate(norm, long), (~long).to(input.dtype) * eps), -1))
