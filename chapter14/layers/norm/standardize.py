"""What all norms have in common: x is centred by its mean and scaled by its standard deviation.

    standardize    x^ = (x - μ) r,  μ = mean x,  r = (mean (x - μ)² + ε)^(-1/2)
                   g_in = r (g - mean g - x^ mean(g x^))           L is its own transpose
    norm           x_out = x^ w + b
                   g_in as above with g w for g;  dJ/dw = sum g x^;  dJ/db = sum g

The norms differ in the axes of the means and in the axes of w and b. Where x is not centred, as in RMS norm, μ = 0 and
mean g is left out. The backward pass computes μ and r again from x: saved values of them would have no derivative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from ...layer.base import Layer
from ..core.arithmetic import added, mean_along, minus, power, shift, times
from ..core.arrange import reshape
from ..core.branch import broadcast_to, sum_to_size
from ..core.complex import conj, conjugates


class NormFrame(NamedTuple):
    """The shape in which a norm views x, the shape of w and b there, the axes of the means, and ε."""

    shape: tuple[int, ...]
    along: tuple[int, ...]
    dims: tuple[int, ...]
    eps: float


class Standardize(Layer):
    letters = {"x": "..."}
    opmath = "all"

    @staticmethod
    def forward(x, dims, eps, centred):
        c = x - x.mean(dims, keepdim=True) if centred else x
        return c * (c.square().mean(dims, keepdim=True) + eps).rsqrt()

    @staticmethod
    def backward(needs, g, x, dims, eps, centred):
        return standardize_prime(g, conj(x), dims, eps, centred), None, None, None

    @staticmethod
    def jvp(tangents, x, dims, eps, centred):
        return standardize_prime(tangents[0], x, dims, eps, centred)


def standardize_prime(g: Tensor, x: Tensor, dims: Sequence[int], eps: float, centred: bool) -> Tensor:
    """g L; and, L being its own transpose, L times a tangent."""
    c = minus(x, mean_along(x, dims)) if centred else x
    r = power(shift(mean_along(times(c, c), dims), eps), -0.5)
    x_hat = times(c, r)
    along = times(x_hat, mean_along(times(g, x_hat), dims))
    return times(r, minus(minus(g, mean_along(g, dims)) if centred else g, along))


class Norm(Layer):
    """x_out = x^ w + b. A subclass has the kernel as `forward`, `frame`, and `few_passes`.

    The inputs are x, w, b, then `aside` inputs that only `forward` uses, then those of `frame`.
    """

    letters = {"x": "...", "w": "...", "b": "..."}
    opmath = "derivatives"
    fusible = True
    centred: ClassVar[bool] = True
    aside: ClassVar[int] = 0

    @staticmethod
    def frame(shape: tuple[int, ...], *how: Any) -> NormFrame:
        raise NotImplementedError

    @classmethod
    def few_passes(
        cls, needs: Sequence[bool], g: Tensor, x: Tensor, w: Tensor | None, eps: float
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """g_in, dJ/dw and dJ/db in plain torch operations, in few passes; x, g and w in the frame's shapes."""
        raise NotImplementedError

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        x, w, b, *how = inputs
        shapes = (None if w is None else w.shape, None if b is None else b.shape, x.shape)
        return x if needs[0] or needs[1] else None, w if needs[0] else None, *shapes, *how[cls.aside :]

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        x, w, w_shape, b_shape, shape, *how = remembered
        frame, along, dims, eps = cls.frame(shape, *how)
        g = _in(frame, g)
        x, w = conjugates(_in(frame, x), _in(along, w))
        g_hat = g if w is None else times(g, w)
        return (
            _in(shape, standardize_prime(g_hat, x, dims, eps, cls.centred)) if needs[0] else None,
            _in(w_shape, sum_to_size(times(g, Standardize.of(x, dims, eps, cls.centred)), along)) if needs[1] else None,
            _in(b_shape, sum_to_size(g, along)) if needs[2] else None,
            *[None] * (cls.aside + len(how)),
        )

    @classmethod
    def backward_once(cls, needs, g, x, w, w_shape, b_shape, shape, *how):
        if x is None or not g.numel():
            return cls.backward(needs, g, x, w, w_shape, b_shape, shape, *how)
        frame, along, _, eps = cls.frame(shape, *how)
        w = None if w is None else w.reshape(along).to(x.dtype)
        made = cls.few_passes(needs, g.reshape(frame), x.reshape(frame), w, eps)
        shapes = (shape, w_shape, b_shape)
        gs = (t.view(s) if need and t is not None else None for need, t, s in zip(needs[:3], made, shapes, strict=True))
        return *gs, *[None] * (cls.aside + len(how))

    @classmethod
    def jvp(cls, tangents: Sequence[Tensor | None], *inputs: Any) -> Any:
        x, w, _, *how = inputs
        shape, (frame, along, dims, eps) = x.shape, cls.frame(x.shape, *how[cls.aside :])
        dx, dw, db = _in(frame, tangents[0]), _in(along, tangents[1]), _in(along, tangents[2])
        x, w = _in(frame, x), _in(along, w)
        dx_hat = None if dx is None else standardize_prime(dx, x, dims, eps, cls.centred)
        dx_out = added(
            dx_hat if w is None or dx_hat is None else times(dx_hat, w),
            None if dw is None else times(Standardize.of(x, dims, eps, cls.centred), dw),
            None if db is None else broadcast_to(db, frame),
        )
        return _in(shape, dx_out)


class FusedNorm(Layer):
    """A norm with r and, if it is centred, μ as further outputs, which its backward pass remembers.

    Over n entries, dμ/dx = 1/n and dr/dx = -r² x^ / n. A subclass has `forward` and `frame`.
    """

    many = True
    aside: ClassVar[int] = 0

    @staticmethod
    def frame(shape: tuple[int, ...], *how: Any) -> NormFrame:
        raise NotImplementedError

    @classmethod
    def remember(cls, needs: Sequence[bool], inputs: Sequence[Any], x_out: Any) -> tuple:
        x, w, b, *how = inputs
        _, r, *mean = x_out
        return x, r, *(mean or [None]), w, None if b is None else b.shape, *how[cls.aside :]

    @classmethod
    def backward(cls, needs: Sequence[bool], g: Any, *remembered: Any) -> tuple[Tensor | None, ...]:
        (x, r, mean, w), (b_shape, *how) = conjugates(*remembered[:4]), remembered[4:]
        frame, along, dims, _ = cls.frame(x.shape, *how)
        means = [1 if d in dims else size for d, size in enumerate(frame)]
        g, g_r, g_mean = g[0].reshape(frame), g[1].reshape(means), None if mean is None else g[2].reshape(means)
        r, a = r.reshape(means), 1 if w is None else w.reshape(along)
        x_hat = (x.reshape(frame) if mean is None else x.reshape(frame) - mean.reshape(means)) * r
        g_w, g_b = (g * x_hat).sum_to_size(along), g.sum_to_size(along)
        if [1, *along] == means:  # w is constant along each mean
            sum_gx, sum_g = g_w * a, g_b * a
        else:
            sum_gx, sum_g = ((t * a).sum(dims, keepdim=True) for t in (g * x_hat, g))
        n = math.prod([frame[d] for d in dims])  # a list, which Dynamo traces
        g_in = r * a * g - x_hat * ((sum_gx + r * g_r) * r / n)
        if g_mean is not None:
            g_in = g_in - (r * sum_g - g_mean) / n
        return (
            g_in.reshape(x.shape) if needs[0] else None,
            g_w.reshape(w.shape) if needs[1] else None,
            g_b.reshape(b_shape) if needs[2] else None,
            *[None] * (cls.aside + len(how)),
        )


def _in(shape: tuple[int, ...], x: Tensor | None) -> Any:  # None where x is
    return x if x is None or x.shape == shape else reshape(x, shape)
