"""Calls drawn by chance, from fixed seeds: ours beside native.

Of each call: what comes out, its dtype and whose memory it lies in; the gradient, the gradient of the gradient, the
tangent and vmap. A draw takes shapes (with axes of 0 and 1), layouts, dtypes and options.
"""

from __future__ import annotations

import random
import warnings

import pytest
import torch
from torch.nn import functional as N

import chapter14
import chapter14.functional as F

pytestmark = pytest.mark.slow

ROUNDS = 8


class Native:
    def __getattr__(self, name):
        places = (N, torch, torch.special, torch.linalg)
        return next(getattr(place, name) for place in places if hasattr(place, name))


NATIVE = Native()


class Draw:
    """What a call is made of."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed % 2**31)
        self.pick = lambda *of: self.random.choice(of)

    def size(self, zero=0.1):
        return 0 if self.random.random() < zero else self.pick(1, 1, 2, 3, 4)

    def shape(self, low=0, high=3, zero=0.1):
        return [self.size(zero) for _ in range(self.random.randint(low, high))]

    def broadcast(self, shape):
        behind = shape[self.random.randint(0, len(shape)) :]
        return [n if self.random.random() < 0.7 else 1 for n in behind]

    def dim(self, x):
        n = max(x.ndim, 1)
        return self.random.randint(-n, n - 1)

    def x(self, shape, low=None):
        """A tensor in one of the layouts that it can have; above `low`, where there is one."""
        x = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        x = x if low is None else x.abs() + low
        layout = self.pick("contiguous", "turned", "steps", "expanded", "channels last")
        if layout == "turned" and x.ndim > 1:
            return x.mT.contiguous().mT
        if layout == "steps" and x.ndim and x.numel():
            return torch.stack([x, x], -1)[..., 0]
        if layout == "expanded" and x.ndim and len(x):
            return x[:1].expand(shape)
        return x.contiguous(memory_format=torch.channels_last) if layout == "channels last" and x.ndim == 4 else x

    def whole(self, shape, below):
        return torch.randint(max(below, 1), shape, generator=self.generator)


POINTWISE = (
    "sigmoid tanh silu softsign tanhshrink mish hardswish selu relu6 logsigmoid exp expm1 exp2 sin cos tan sinh cosh "
    "atan asinh erf erfc square frac sinc i0 i1 absolute gelu elu celu leaky_relu softplus hardtanh softshrink "
    "hardshrink ndtr nan_to_num"
).split()
POSITIVE = "log log2 log10 log1p sqrt rsqrt lgamma digamma reciprocal".split()
ALONG = (
    "softmax log_softmax softmin cumsum cumprod logcumsumexp amax amin logsumexp prod unsqueeze squeeze unbind".split()
)
PAIRS = "maximum minimum fmax fmin atan2 hypot logaddexp copysign divide".split()
LOSSES = "mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy_with_logits kl_div poisson_nll_loss".split()
REDUCTIONS = "mean", "sum", "none"

#: A name and a draw → tensors, and the call of a namespace and them.
CALLS = {}


def call(f):
    CALLS[f.__name__] = f
    return f


for name in POINTWISE:
    CALLS[name] = lambda d, name=name: ([d.x(d.shape())], lambda ns, x: getattr(ns, name)(x))
for name in POSITIVE:
    CALLS[name] = lambda d, name=name: ([d.x(d.shape(), low=0.1)], lambda ns, x: getattr(ns, name)(x))
for name in PAIRS:
    CALLS[name] = lambda d, name=name: (
        [d.x(shape := d.shape()), d.x(d.broadcast(shape))],
        lambda ns, a, b: getattr(ns, name)(a, b),
    )
for name in LOSSES:

    def loss(d, name=name):
        shape, reduction = d.shape(), d.pick(*REDUCTIONS)
        return [d.x(shape), d.x(shape)], lambda ns, a, b: getattr(ns, name)(a, b, reduction=reduction)

    CALLS[name] = loss
for name in ALONG:

    def along(d, name=name):
        x = d.x(d.shape())
        dim = d.dim(x)
        return [x], lambda ns, x: getattr(ns, name)(x, dim)

    CALLS[name] = along


@call
def std(d):
    x, correction, keepdim = d.x(d.shape()), d.pick(0, 1), d.pick(True, False)
    dim = d.pick(None, d.dim(x))
    return [x], lambda ns, x: ns.std(x, dim=dim, correction=correction, keepdim=keepdim)


@call
def vector_norm(d):
    x, p = d.x(d.shape()), d.pick(2, 1, 3, 0.5, 1.5)
    dim = d.pick(None, d.dim(x))
    return [x], lambda ns, x: ns.vector_norm(x, p, dim)


@call
def normalize(d):
    x, p = d.x(d.shape(1)), d.pick(2.0, 1.0, 3.0)
    dim = d.dim(x)
    return [x], lambda ns, x: ns.normalize(x, p, dim)


@call
def where(d):
    shape = d.shape()
    mask = d.x(shape) > 0
    return [d.x(d.broadcast(shape)), d.x(d.broadcast(shape))], lambda ns, a, b: ns.where(mask, a, b)


@call
def clamp(d):
    low, high = d.pick(-0.5, None), d.pick(0.5, 0.0)
    return [d.x(d.shape())], lambda ns, x: ns.clamp(x, low, high)


@call
def linear(d):
    n, m = d.size(), d.size()
    W = d.x(d.pick([m, n], [m, n], [n]))
    b = [d.x([m])] if W.ndim == 2 and d.pick(True, False) else []
    return [d.x([*d.shape(0, 2), n]), W, *b], lambda ns, *x: ns.linear(*x)


@call
def matmul(d):
    n, m, k, batch = d.size(), d.size(), d.size(), d.shape(0, 1)
    a, b = d.pick([k], [n, k], [*batch, n, k]), d.pick([k], [k, m], [*batch, k, m])
    return [d.x(a), d.x(b)], lambda ns, a, b: ns.matmul(a, b)


@call
def einsum(d):
    equation, n, m, k = d.pick("ij,jk->ik", "ij,kj->ik", "ij->ji", "ij->j", "ij,ij->"), d.size(0), d.size(0), d.size(0)
    second = {"ij,jk->ik": [m, k], "ij,kj->ik": [k, m], "ij,ij->": [n, m]}.get(equation)
    return [d.x([n, m]), *([d.x(second)] if second else [])], lambda ns, *x: ns.einsum(equation, *x)


@call
def conv2d(d):
    C, M, k = d.size(0), d.size(0), d.pick(1, 2, 3)
    how = {"stride": d.pick(1, 2), "padding": d.pick(0, 1, (1, 0)), "dilation": d.pick(1, 1, 2)}
    x, W = d.x([d.size(), C, d.pick(3, 5), d.pick(4, 6)]), d.x([M, C, k, k])
    return [x, W, d.x([M])], lambda ns, x, W, b: ns.conv2d(x, W, b, **how)


@call
def avg_pool2d(d):
    how = {"stride": d.pick(None, 1, 2), "ceil_mode": d.pick(True, False)}
    k, x = d.pick(1, 2, (2, 1)), d.x([d.size(), d.size(0), d.pick(2, 5), d.pick(3, 4)])
    return [x], lambda ns, x: ns.avg_pool2d(x, k, **how)


@call
def max_pool2d(d):
    k, x = d.pick(1, 2, (2, 1)), d.x([d.size(0), d.size(0), d.pick(2, 5), d.pick(3, 4)])
    return [x], lambda ns, x: ns.max_pool2d(x, k)


@call
def adaptive_avg_pool2d(d):
    size, x = d.pick(1, 2, (3, 1)), d.x([d.size(0), d.size(0), d.pick(2, 5), d.pick(3, 4)])
    return [x], lambda ns, x: ns.adaptive_avg_pool2d(x, size)


@call
def interpolate(d):
    how = {"size": d.pick(1, 3, (2, 5)), "mode": d.pick("nearest", "bilinear", "bicubic", "area")}
    return [d.x([d.size(0), d.size(0), d.pick(2, 5), d.pick(3, 4)])], lambda ns, x: ns.interpolate(x, **how)


@call
def layer_norm(d):
    shape = d.shape(1, 3, 0)
    tail = shape[-d.random.randint(1, len(shape)) :]
    return [d.x(shape), d.x(tail), d.x(tail)], lambda ns, x, w, b: ns.layer_norm(x, tail, w, b)


@call
def rms_norm(d):
    shape = d.shape(1, 3, 0)
    return [d.x(shape), d.x(shape[-1:])], lambda ns, x, w: ns.rms_norm(x, shape[-1:], w, 1e-5)


@call
def group_norm(d):
    groups, C = d.pick((1, 2), (2, 4), (3, 3))
    return [d.x([d.size(0), C, *d.shape(0, 2, 0)]), d.x([C])], lambda ns, x, w: ns.group_norm(x, groups, w)


@call
def batch_norm(d):
    C, training = d.size(0), d.pick(True, False)
    running = (None, None) if training else (torch.zeros(C).double(), torch.ones(C).double())
    x = d.x([d.pick(2, 3), C, *d.shape(0, 2, 0)])
    return [x, d.x([C]), d.x([C])], lambda ns, x, w, b: ns.batch_norm(x, *running, w, b, training)


@call
def cross_entropy(d):
    B, C, reduction, smoothing = d.size(), d.size(0), d.pick(*REDUCTIONS), d.pick(0.0, 0.1)
    y = d.whole([B], C)
    if B and d.pick(True, False):
        y[0] = -100
    return [d.x([B, C])], lambda ns, x: ns.cross_entropy(x, y, reduction=reduction, label_smoothing=smoothing)


@call
def cosine_similarity(d):
    shape = d.shape(1)
    x = d.x(shape)
    dim = d.dim(x)
    return [x, d.x(shape)], lambda ns, a, b: ns.cosine_similarity(a, b, dim)


@call
def pairwise_distance(d):
    shape, p = d.shape(1, 2), d.pick(2.0, 1.0, 3.0)
    return [d.x(shape), d.x(shape)], lambda ns, a, b: ns.pairwise_distance(a, b, p)


@call
def cdist(d):
    n, p = d.size(), d.pick(2.0, 1.0, 3.0)
    return [d.x([d.size(), n]), d.x([d.size(), n])], lambda ns, a, b: ns.cdist(a, b, p)


@call
def scaled_dot_product_attention(d):
    B, T, S, n = d.size(0), d.size(0), d.size(0), d.size(0)
    how = {"is_causal": d.pick(True, False)}
    inputs = [d.x([B, T, n]), d.x([B, S, n]), d.x([B, S, 2])]
    return inputs, lambda ns, q, k, v: ns.scaled_dot_product_attention(q, k, v, **how)


@call
def pad(d):
    x = d.x(d.shape(1))
    widths = [d.pick(0, 1, 2) for _ in range(2 * x.ndim)]
    return [x], lambda ns, x: ns.pad(x, widths)


@call
def embedding(d):
    W = d.x([d.size(0), d.size()])
    i = d.whole(d.shape(), len(W))
    return [W], lambda ns, W: ns.embedding(i, W)


@call
def gather(d):
    x = d.x(d.shape(1, 3, 0))
    dim = d.dim(x)
    i = d.whole(list(x.shape), x.shape[dim])
    return [x], lambda ns, x: ns.gather(x, dim, i)


@call
def index_add(d):
    x = d.x(d.shape(1, 3, 0))
    dim = d.dim(x)
    i = d.whole([x.shape[dim]], x.shape[dim])
    return [x, d.x(list(x.shape))], lambda ns, x, v: ns.index_add(x, dim, i, v)


@call
def arranged(d):
    x = d.x(d.shape(1))
    dim = d.dim(x)
    f = d.pick(
        lambda ns, x: ns.permute(x, tuple(reversed(range(x.ndim)))), lambda ns, x: ns.transpose(x, 0, dim),
        lambda ns, x: ns.flip(x, (dim,)), lambda ns, x: ns.roll(x, 1, dim), lambda ns, x: ns.flatten(x),
        lambda ns, x: ns.reshape(x, (-1,)), lambda ns, x: ns.split(x, 2, dim), lambda ns, x: ns.stack([x, x], dim),
        lambda ns, x: ns.pixel_shuffle(x[None, None, None], 1) if x.ndim < 3 else ns.narrow(x, dim, 0, 0),
    )  # fmt: skip
    return [x], f


def tensors(y):
    return [t for t in (y if isinstance(y, tuple | list) else [y]) if t.is_floating_point()]


def found(f, inputs, seed, forward_mode_may_be_missing=False):
    """What there is to compare, by name."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        leaves = [x.detach().requires_grad_() for x in inputs]
        outputs = tensors(f(*leaves))
        said = {
            "x_out": [t.detach() for t in outputs],
            "dtype": [t.dtype for t in outputs],
            "shares": [any(_shares(t, x) for x in leaves) for t in outputs],
        }
        drawn = torch.Generator().manual_seed(seed % 2**31)

        def like(t):
            return torch.randn(t.shape, generator=drawn, dtype=t.dtype)

        first = torch.autograd.grad(outputs, leaves, [like(t) for t in outputs], create_graph=True)
        said["g_in"] = [t.detach() for t in first]
        again = sum((t * like(t)).sum() for t in first)
        second = torch.autograd.grad(again, leaves, allow_unused=True) if again.requires_grad else [None] * len(leaves)
        said["second"] = [torch.zeros_like(x) if t is None else t for t, x in zip(second, leaves, strict=True)]

        def of_tuple(*x):
            return tuple(tensors(f(*x)))

        plain = tuple(x.detach() for x in inputs)
        try:
            said["jvp"] = list(torch.func.jvp(of_tuple, plain, tuple(like(x) for x in plain))[1])
        except NotImplementedError:
            if not forward_mode_may_be_missing:
                raise
        said["vmap"] = list(torch.func.vmap(of_tuple)(*(torch.stack([x, 2 * x]) for x in plain)))
    return said


def _shares(t, x):
    return t.numel() > 0 and t.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


@pytest.mark.parametrize("name", CALLS)
def test_equals_native(name):
    for i in range(ROUNDS):
        seed = 1000 * sorted(CALLS).index(name) + i
        inputs, f = CALLS[name](Draw(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = found(lambda *x, f=f: f(NATIVE, *x), inputs, seed, True)
            except (RuntimeError, IndexError, NotImplementedError, ValueError):
                continue  # native refuses the call, or its second derivative

            def by_hand(*x, f=f):
                with chapter14.by_hand():
                    return f(NATIVE, *x)

            ways = {"by_hand": by_hand} | ({"functional": lambda *x, f=f: f(F, *x)} if hasattr(F, name) else {})
            for way, g in ways.items():
                said = found(g, inputs, seed)
                at = f"{name} {way} seed {seed}: {[list(x.shape) for x in inputs]}"
                for what, e in expected.items():
                    if isinstance(e[0], torch.Tensor):
                        torch.testing.assert_close(
                            said[what],
                            e,
                            rtol=1e-7,
                            atol=1e-8,
                            equal_nan=True,
                            msg=lambda m, w=what, a=at: f"{a}: {w}: {m}",
                        )
                    else:
                        assert said[what] == e, f"{at}: {what}"
