"""Points where a derivative is 0/0, infinite or undefined: there, ours is what native decides, of each order and mode.

A row of the table is a function, as native calls it, and inputs that have such points. `by_hand` runs it; a function of
`chapter14.functional` of the same name and signature runs as well, where `ns` is used.
"""

from __future__ import annotations

import math
import re
import warnings

import pytest
import torch
from torch.nn import functional as N

import chapter14
import chapter14.functional as F

pytestmark = pytest.mark.slow

INF, NAN = math.inf, math.nan
#: Where pointwise functions have kinks, poles, ends of their domain, or overflow.
POINTS = (
    0.0,
    -0.0,
    5e-324,
    0.5,
    -0.5,
    1,
    -1,
    2,
    -2,
    3,
    -3,
    6,
    -6,
    20,
    21,
    -40,
    800,
    -800,
    1e200,
    -1e200,
    INF,
    -INF,
    NAN,
)


def T(*values):
    return torch.tensor(values, dtype=torch.float64)


class Native:
    def __getattr__(self, name):
        for place in (N, torch, torch.special, torch.linalg):
            if hasattr(place, name):
                return getattr(place, name)
        raise AttributeError(name)


NATIVE = Native()

ROWS = {}


def row(name, f, *inputs, functional=True, order=2):
    """`functional`: whether chapter14.functional has the function under this name; `order`: the highest compared."""
    assert name not in ROWS, name
    ROWS[name] = f, inputs, functional, order


def named(name, *inputs, label="", order=2, **options):
    row(
        f"{name} {label}".strip(),
        lambda ns, *x: getattr(ns, name)(*x, **options),
        *inputs,
        functional=hasattr(F, name),
        order=order,
    )


POINTWISE = (
    "abs sign sqrt rsqrt reciprocal square exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh "
    "tanh asinh acosh atanh sigmoid erf erfc erfinv erfcx ndtr ndtri log_ndtr entr lgamma digamma sinc i0 i0e i1 i1e "
    "frac neg logit nan_to_num relu6 silu mish gelu hardswish hardsigmoid hardtanh selu elu celu softplus softsign "
    "tanhshrink logsigmoid hardshrink softshrink leaky_relu relu floor ceil round trunc positive "
    "deg2rad rad2deg absolute"
).split()
for name in POINTWISE:
    points = T(*POINTS[: -1 if "shrink" in name else None])  # at NaN, native's shrinks go by where the entry lies
    row(name, lambda ns, x, name=name: getattr(ns, name)(x), points, functional=hasattr(F, name) and name != "relu")
named("gelu", T(*POINTS), label="tanh", approximate="tanh")
named("softplus", T(*POINTS), label="threshold", beta=2.0, threshold=2.0)
named("softshrink", T(*POINTS[:-1]), label="0", lambd=0.0)
named("hardshrink", T(*POINTS[:-1]), label="0", lambd=0.0)
named("leaky_relu", T(*POINTS), label="0", negative_slope=0.0)
named("elu", T(*POINTS), label="2", alpha=2.0)
named("celu", T(*POINTS), label="2", alpha=2.0)
named("logit", T(*POINTS), label="eps", eps=0.5)
for n in range(3):
    row(f"polygamma {n}", lambda ns, x, n=n: ns.polygamma(n, x), T(*POINTS))
row("threshold", lambda ns, x: ns.threshold(x, 1.0, 5.0), T(*POINTS))
row("prelu", lambda ns, x, w: ns.prelu(x, w), T(*POINTS), T(0.25))
for p in (0, 0.0, 1, 1.0, 2, 3, -1, -2, 0.5, 1.5, 2.5, -0.5):
    row(f"pow {p!r}", lambda ns, x, p=p: torch.pow(x, p), T(*POINTS), functional=False)
for c in (0.0, 1.0, 2.0, -1.0):
    row(f"pow of {c}", lambda ns, x, c=c: torch.pow(c, x), T(*POINTS), functional=False)

PAIRS = torch.cartesian_prod(T(0, -0.0, 1, -1, 2, 0.5, INF, -INF, NAN), T(0, -0.0, 1, -1, 2, 0.5, INF, -INF, NAN))
for name in (
    "atan2 hypot logaddexp logaddexp2 xlogy xlog1py maximum minimum fmax fmin copysign pow mul div remainder fmod "
    "float_power sub lerp_ addcdiv_ ldexp"
).split():
    if name.endswith("_"):
        three = getattr(torch, name[:-1])
        row(name[:-1], lambda ns, a, b, f=three: f(a, b, b), *PAIRS.unbind(1), functional=False)
    else:
        named(name, *PAIRS.unbind(1))
row("where", lambda ns, a, b: ns.where(a > 0, torch.log(a) if ns is NATIVE else F.log(a), b), *PAIRS.unbind(1))
row("clamp", lambda ns, x: ns.clamp(x, -1, 1), T(*POINTS))
row("clamp crossed", lambda ns, x: ns.clamp(x, 1, -1), T(*POINTS))
row("clamp at one point", lambda ns, x: ns.clamp(x, 1, 1), T(*POINTS))
row("clamp low", lambda ns, x: ns.clamp(x, 0), T(*POINTS))
row("clamp high", lambda ns, x: ns.clamp(x, None, 0), T(*POINTS))
row(
    "clamp tensors",
    lambda ns, x, a, b: ns.clamp(x, a, b),
    *torch.cartesian_prod(T(0, 1, NAN), T(0, 1), T(0, 1, INF)).unbind(1),
)
row("clamp low tensor", lambda ns, x, a: ns.clamp(x, a), *PAIRS.unbind(1))

#: Rows of vectors: equal entries, zeros, one entry away from 0, infinities.
ROWS_OF_THREE = T(0, 0, 0, 1, 1, 1, -2, -2, -2, 0, 1, 2, 0, 0, 2, -1, 0, 1, 1, 1, -1).reshape(7, 3)
INFINITE = T(
    INF, 0, 1, -INF, 0, 1, INF, INF, 1, -INF, -INF, 1, -INF, -INF, -INF, INF, INF, INF, INF, -INF, 1, NAN, 0, 1
).reshape(8, 3)
for p in (2, 1, 0, 3, 1.5, 0.5, 2.5, -1, -2, INF, -INF):
    row(f"vector_norm {p}", lambda ns, x, p=p: ns.vector_norm(x, p, -1), ROWS_OF_THREE)
    row(f"vector_norm {p} infinite", lambda ns, x, p=p: ns.vector_norm(x, p, -1), INFINITE)
    row(f"norm {p}", lambda ns, x, p=p: x.norm(p, -1), ROWS_OF_THREE, functional=False)
    if p > 0:
        row(f"renorm {p}", lambda ns, x, p=p: x.renorm(p, 0, 0.5), ROWS_OF_THREE, functional=False)
        row(f"renorm {p} to 0", lambda ns, x, p=p: x.renorm(p, 0, 0.0), ROWS_OF_THREE, functional=False)
    if p != 0:
        row(
            f"dist {p}", lambda ns, x, y, p=p: torch.dist(x, y, p), ROWS_OF_THREE[0], ROWS_OF_THREE[0], functional=False
        )
    row(f"normalize {p}", lambda ns, x, p=p: ns.normalize(x, p, -1), ROWS_OF_THREE)
    if p >= 0:
        row(f"cdist {p}", lambda ns, a, b, p=p: ns.cdist(a, b, p), ROWS_OF_THREE, ROWS_OF_THREE[:4])
        row(f"pdist {p}", lambda ns, a, p=p: ns.pdist(a, p), torch.cat([ROWS_OF_THREE, ROWS_OF_THREE[:2]]))
        row(
            f"pairwise_distance {p}",
            lambda ns, a, b, p=p: ns.pairwise_distance(a, b, p, eps=0.0),
            ROWS_OF_THREE,
            ROWS_OF_THREE.flip(0),
        )
row("norm of all", lambda ns, x: x.norm(), torch.zeros(2, 2).double(), functional=False)
row("matrix_norm", lambda ns, x: torch.linalg.matrix_norm(x), torch.zeros(2, 2, 2).double(), functional=False)
for o in (1, -1, INF, -INF):
    row(
        f"matrix_norm {o}",
        lambda ns, x, o=o: torch.linalg.matrix_norm(x, o),
        torch.tensor([[0, 0], [1, -1.0]]).double(),
        functional=False,
    )
row(
    "cdist by products",
    lambda ns, a, b: ns.cdist(a, b, compute_mode="use_mm_for_euclid_dist"),
    ROWS_OF_THREE,
    ROWS_OF_THREE[:4],
)
row("cosine_similarity", lambda ns, a, b: ns.cosine_similarity(a, b, -1), ROWS_OF_THREE, ROWS_OF_THREE.roll(2, 0))
row("cosine_similarity of zeros", lambda ns, a, b: ns.cosine_similarity(a, b, -1), ROWS_OF_THREE * 0, ROWS_OF_THREE)
row(
    "cosine_similarity eps 0",
    lambda ns, a, b: ns.cosine_similarity(a, b, -1, eps=0.0),
    ROWS_OF_THREE[1:],
    ROWS_OF_THREE[1:].roll(2, 0),
)
row("normalize eps", lambda ns, x: ns.normalize(x, dim=-1, eps=10.0), ROWS_OF_THREE)
row("normalize at eps", lambda ns, x: ns.normalize(x, dim=-1, eps=2.0), ROWS_OF_THREE)
row("normalize eps 0", lambda ns, x: ns.normalize(x, dim=-1, eps=0.0), ROWS_OF_THREE)

for c in (1, 0, 2, 3, 4):
    row(f"var {c}", lambda ns, x, c=c: ns.var(x, dim=-1, correction=c), ROWS_OF_THREE)
    row(f"std {c}", lambda ns, x, c=c: ns.std(x, dim=-1, correction=c), ROWS_OF_THREE)
    row(f"std_mean {c}", lambda ns, x, c=c: sum(torch.std_mean(x, -1, correction=c)), ROWS_OF_THREE, functional=False)
for c in (0, 1):
    row(f"var of one {c}", lambda ns, x, c=c: ns.var(x, dim=-1, correction=c), T(0, 2).reshape(2, 1))
    row(f"std of one {c}", lambda ns, x, c=c: ns.std(x, dim=-1, correction=c), T(0, 2).reshape(2, 1))
row("std of all", lambda ns, x: ns.std(x), T(2, 2, 2))
row("std of a number", lambda ns, x: ns.std(x), torch.tensor(2.0).double())
row("var of a number", lambda ns, x: ns.var(x, correction=0), torch.tensor(2.0).double())
row("std of none", lambda ns, x: ns.std(x), T())
row("std infinite", lambda ns, x: ns.std(x, dim=-1), INFINITE)
row("var infinite", lambda ns, x: ns.var(x, dim=-1), INFINITE)
row("mean of none", lambda ns, x: torch.mean(x), T(), functional=False)
row("mean of none along", lambda ns, x: torch.mean(x, 0), torch.zeros(0, 3).double(), functional=False)
row("prod", lambda ns, x: ns.prod(x, -1), ROWS_OF_THREE)
row("prod of all", lambda ns, x: torch.prod(x), T(0, 2, 3), functional=False)
row("prod of all, two zeros", lambda ns, x: torch.prod(x), T(0, 2, 0, 3), functional=False)
row("prod of a number", lambda ns, x: torch.prod(x), torch.tensor(0.0).double(), functional=False)
row("prod infinite", lambda ns, x: ns.prod(x, -1), INFINITE)
row("cumprod", lambda ns, x: ns.cumprod(x, -1), ROWS_OF_THREE)
row("cumprod infinite", lambda ns, x: ns.cumprod(x, -1), INFINITE)
row("cumsum infinite", lambda ns, x: ns.cumsum(x, -1), INFINITE)
for name in ("softmax", "log_softmax", "softmin", "logsumexp", "logcumsumexp"):
    row(name, lambda ns, x, name=name: getattr(ns, name)(x, -1), INFINITE)
    row(f"{name} of equals", lambda ns, x, name=name: getattr(ns, name)(x, -1), ROWS_OF_THREE)
    row(f"{name} of large", lambda ns, x, name=name: getattr(ns, name)(x, -1), ROWS_OF_THREE * 1e4)
row("logsumexp of two axes", lambda ns, x: ns.logsumexp(x, (0, 1)), INFINITE[:2])
row("logsumexp of two axes, -inf", lambda ns, x: ns.logsumexp(x, (0, 1)), INFINITE[4:5].repeat(2, 1))
row("logsumexp of a number", lambda ns, x: ns.logsumexp(x, 0), torch.tensor(INF).double())
row("logsumexp of none", lambda ns, x: ns.logsumexp(x, 0), torch.zeros(0, 2).double())
for name in ("amax", "amin"):
    row(name, lambda ns, x, name=name: getattr(ns, name)(x, -1), ROWS_OF_THREE)
    row(f"{name} infinite", lambda ns, x, name=name: getattr(ns, name)(x, -1), INFINITE)
for name in (
    "max",
    "min",
    "median",
    "nanmedian",
    "mode",
    "sort",
    "cummax",
    "cummin",
    "aminmax",
    "nansum",
    "nanmean",
    "logcumsumexp",
):

    def f(ns, x, name=name):
        y = getattr(torch, name)(x, dim=-1)
        return y if isinstance(y, torch.Tensor) else y[0]

    row(f"torch.{name}", f, ROWS_OF_THREE, functional=False)
    if name != "mode":
        row(f"torch.{name} infinite", f, INFINITE, functional=False)
for name in ("max", "min", "median", "nanmedian"):
    row(f"torch.{name} of all", lambda ns, x, name=name: getattr(torch, name)(x), ROWS_OF_THREE, functional=False)
row("quantile", lambda ns, x: torch.quantile(x, 0.5, -1), ROWS_OF_THREE, functional=False)
row("topk", lambda ns, x: x.topk(2, -1)[0], ROWS_OF_THREE, functional=False)
row("kthvalue", lambda ns, x: x.kthvalue(2, -1)[0], ROWS_OF_THREE, functional=False)
row("nanmean of NaN", lambda ns, x: torch.nanmean(x), T(NAN, NAN), functional=False)
row("cov of equals", lambda ns, x: torch.cov(x), ROWS_OF_THREE[:3], functional=False)
row("corrcoef of equals", lambda ns, x: torch.corrcoef(x), ROWS_OF_THREE[:4], functional=False)

EQUAL = T(0, 0, 1, -1, 2, 0.5, 0, 1), T(0, 1, 1, 1, 0, 0, -1, 0)
for reduction in ("mean", "none"):
    for name, options in (
        ("l1_loss", {}), ("mse_loss", {}), ("smooth_l1_loss", {}), ("smooth_l1_loss", {"beta": 0.0}),
        ("smooth_l1_loss", {"beta": 0.5}), ("huber_loss", {}), ("huber_loss", {"delta": 0.5}),
        ("hinge_embedding_loss", {}), ("hinge_embedding_loss", {"margin": 2.0}), ("kl_div", {}),
        ("kl_div", {"log_target": True}),
        ("poisson_nll_loss", {"log_input": False}), ("poisson_nll_loss", {"log_input": False, "eps": 0.0}),
        ("poisson_nll_loss", {"log_input": False, "full": True}), ("binary_cross_entropy_with_logits", {}),
    ):  # fmt: skip
        for label, inputs in (("", EQUAL), (" empty", (T(), T()))):
            row(
                f"{name} {options} {reduction}{label}",
                lambda ns, a, b, name=name, options=options, reduction=reduction: getattr(ns, name)(
                    a, b, reduction=reduction, **options
                ),
                *inputs,
            )
    zero_one = torch.cartesian_prod(T(0, 1, 0.5, 1e-320), T(0, 1, 0.25)).unbind(1)
    row(
        f"binary_cross_entropy {reduction}",
        lambda ns, a, b, r=reduction: ns.binary_cross_entropy(a, b, reduction=r),
        *zero_one,
    )
    row(
        f"kl_div of 0 {reduction}",
        lambda ns, a, b, r=reduction: ns.kl_div(a, b, reduction=r),
        *torch.cartesian_prod(T(0, -1, -INF), T(0, 1, 0.25, -1)).unbind(1),
    )
    row(
        f"bce_with_logits infinite {reduction}",
        lambda ns, a, b, r=reduction: ns.binary_cross_entropy_with_logits(a, b, reduction=r),
        *torch.cartesian_prod(T(0, INF, -INF, 800, -800), T(0, 1, 0.25)).unbind(1),
    )
    row(
        f"gaussian_nll_loss {reduction}",
        lambda ns, a, b, v, r=reduction: ns.gaussian_nll_loss(a, b, v, eps=0.5, reduction=r),
        *EQUAL,
        T(0, 0.5, 0.25, 1, 0.5, 0, 0.5, 2),
    )
    for label, y in (("", [1, 2, 0]), ("all ignored", [-100] * 3), ("some ignored", [1, -100, 0])):
        y = torch.tensor(y)
        x = T(0, 0, 0, 1, 2, 2, -1, 4, 4).reshape(3, 3)
        for w in (None, T(0, 0, 0), T(1, 0, 0)):
            for s in (0.0, 0.1):
                row(
                    f"cross_entropy {label} {reduction} {w if w is None else w.tolist()} {s}",
                    lambda ns, x, y=y, w=w, s=s, r=reduction: ns.cross_entropy(x, y, w, reduction=r, label_smoothing=s),
                    x,
                )
                if hasattr(N, "linear_cross_entropy"):
                    row(
                        f"linear_cross_entropy {label} {reduction} {w if w is None else w.tolist()} {s}",
                        lambda ns, x, W, b, y=y, w=w, s=s, r=reduction: ns.linear_cross_entropy(
                            x, W, y, linear_bias=b, weight=w, reduction=r, label_smoothing=s
                        ),
                        x,
                        x.T.contiguous() / 3,
                        x[1],
                    )
            row(
                f"nll_loss {label} {reduction} {w if w is None else w.tolist()}",
                lambda ns, x, y=y, w=w, r=reduction: ns.nll_loss(x, y, w, reduction=r),
                x,
            )
    row(
        f"cross_entropy infinite {reduction}",
        lambda ns, x, r=reduction: ns.cross_entropy(x, torch.tensor([0, 1, 2, 1, 1, 1, 1, 1]), reduction=r),
        INFINITE,
    )
    row(
        f"cross_entropy empty {reduction}",
        lambda ns, x, r=reduction: ns.cross_entropy(x, torch.empty(0, dtype=torch.long), reduction=r),
        torch.zeros(0, 3).double(),
    )
    row(
        f"cross_entropy probabilities {reduction}",
        lambda ns, x, p, r=reduction: ns.cross_entropy(x, p, reduction=r),
        INFINITE[:2],
        T(0, 1, 0, 1, 0, 0).reshape(2, 3),
    )
    row(
        f"cross_entropy probabilities empty {reduction}",
        lambda ns, x, p, r=reduction: ns.cross_entropy(x, p, reduction=r),
        torch.zeros(0, 3).double(),
        torch.zeros(0, 3).double(),
    )
    for p in (1, 2):
        row(
            f"multi_margin_loss {p} {reduction}",
            lambda ns, x, p=p, r=reduction: ns.multi_margin_loss(x, torch.tensor([0, 1, 2]), p=p, reduction=r),
            T(1, 0, 0, 0, 0, 1, 0, 0, 0).reshape(3, 3),
        )
    row(
        f"soft_margin_loss {reduction}",
        lambda ns, a, r=reduction: ns.soft_margin_loss(a, torch.ones(a.shape), reduction=r),
        T(0, -0.0, 0.5, -0.5, 1, -1, 20, -40),
    )
    if reduction == "none":  # the others are memory that PyTorch has not written
        row(
            f"multi_margin_loss empty {reduction}",
            lambda ns, x, r=reduction: ns.multi_margin_loss(x, torch.empty(0, dtype=torch.long), reduction=r),
            torch.zeros(0, 3).double(),
        )
    row(
        f"multilabel_margin_loss {reduction}",
        lambda ns, x, r=reduction: ns.multilabel_margin_loss(x, torch.tensor([[0, -1, -1], [1, 0, -1]]), reduction=r),
        T(1, 0, 0, 0, 0, 1).reshape(2, 3),
    )
    row(
        f"multilabel_soft_margin_loss {reduction}",
        lambda ns, x, y, r=reduction: ns.multilabel_soft_margin_loss(x, y, reduction=r),
        INFINITE,
        (ROWS_OF_THREE[:1] > 0).double().repeat(8, 1),
        order=1,
    )
    y = torch.tensor([1, 1, 1, -1, -1, -1, 1, -1])
    row(
        f"margin_ranking_loss {reduction}",
        lambda ns, a, b, y=y, r=reduction: ns.margin_ranking_loss(a, b, y, 1.0, reduction=r),
        *EQUAL,
    )
    row(
        f"cosine_embedding_loss {reduction}",
        lambda ns, a, b, y=y, r=reduction: ns.cosine_embedding_loss(a, b, y[:7], reduction=r),
        ROWS_OF_THREE,
        ROWS_OF_THREE.roll(2, 0),
    )
    row(
        f"cosine_embedding_loss of itself {reduction}",
        lambda ns, a, b, y=y, r=reduction: ns.cosine_embedding_loss(a, b, y[:7], 0.5, reduction=r),
        ROWS_OF_THREE,
        ROWS_OF_THREE,
    )
    for p in (2, 1, 3):
        for swap in (False, True):
            row(
                f"triplet_margin_loss {p} {swap} {reduction}",
                lambda ns, a, b, c, p=p, swap=swap, r=reduction: ns.triplet_margin_loss(
                    a, b, c, p=p, eps=0.0, swap=swap, reduction=r
                ),
                ROWS_OF_THREE,
                ROWS_OF_THREE,
                ROWS_OF_THREE.roll(1, 0),
            )
    for zero in (False, True):

        def ctc(ns, x, r=reduction, zero=zero):
            return ns.ctc_loss(
                x,
                torch.tensor([[1, 1, 1], [1, 2, 1]]),
                torch.tensor([3, 3]),
                torch.tensor([3, 2]),
                reduction=r,
                zero_infinity=zero,
            )

        row(f"ctc_loss {zero} {reduction}", ctc, torch.zeros(3, 2, 3).double() - math.log(3), order=1)
        row(
            f"ctc_loss -inf {zero} {reduction}",
            ctc,
            torch.stack([INFINITE[1], INFINITE[2]]).log_softmax(-1).nan_to_num(-1, -1, -INF).expand(3, 2, 3).clone(),
            order=1,
        )

CONSTANT = torch.full((2, 2, 3), 2.0).double()
row("batch_norm", lambda ns, x: ns.batch_norm(x, None, None, training=True), CONSTANT)
row("instance_norm", lambda ns, x: ns.instance_norm(x), CONSTANT)
row("instance_norm eps 0", lambda ns, x: ns.instance_norm(x, eps=0.0), CONSTANT)
row("group_norm", lambda ns, x: ns.group_norm(x, 2), CONSTANT)
row("group_norm eps 0", lambda ns, x: ns.group_norm(x, 2, eps=0.0), CONSTANT)
row("layer_norm", lambda ns, x: ns.layer_norm(x, (3,)), CONSTANT)
row("layer_norm eps 0", lambda ns, x: ns.layer_norm(x, (3,), eps=0.0), CONSTANT)
row("layer_norm of one", lambda ns, x: ns.layer_norm(x, (1,)), T(1, 2).reshape(2, 1))
row("rms_norm", lambda ns, x: ns.rms_norm(x, (3,)), ROWS_OF_THREE)
row("rms_norm eps 0", lambda ns, x: ns.rms_norm(x, (3,), eps=0.0), ROWS_OF_THREE)
row("batch_norm of variance 0", lambda ns, x: ns.batch_norm(x, T(2, 2), T(0, 0)), CONSTANT)
row("batch_norm of variance 0, eps 0", lambda ns, x: ns.batch_norm(x, T(2, 2), T(0, 0), eps=0.0), CONSTANT)
row("local_response_norm", lambda ns, x: ns.local_response_norm(x, 2), CONSTANT * 0)
row("local_response_norm k 0", lambda ns, x: ns.local_response_norm(x, 2, k=0.0), CONSTANT * 0)

Q = ROWS_OF_THREE[:3].reshape(1, 1, 3, 3)
MASK = torch.tensor([[True, False, False], [False, False, False], [True, True, True]])
row("attention, a row masked", lambda ns, q, k, v: ns.scaled_dot_product_attention(q, k, v, MASK), Q, Q + 1, Q - 1)
row(
    "attention, a row of -inf",
    lambda ns, q, k, v, m: ns.scaled_dot_product_attention(q, k, v, m),
    Q,
    Q + 1,
    Q - 1,
    torch.where(MASK, 0.0, -INF).double(),
)
row(
    "attention, causal, fewer keys",
    lambda ns, q, k, v: ns.scaled_dot_product_attention(q, k, v, is_causal=True),
    Q,
    Q[..., :2, :],
    Q[..., :2, :],
)
for mode in ("sum", "mean", "max"):
    row(
        f"embedding_bag {mode}",
        lambda ns, W, mode=mode: ns.embedding_bag(torch.tensor([0, 1, 1]), W, torch.tensor([0, 0, 2, 3]), mode=mode),
        ROWS_OF_THREE,
    )
    row(
        f"embedding_bag {mode} padding",
        lambda ns, W, mode=mode: ns.embedding_bag(
            torch.tensor([1, 1, 0]), W, torch.tensor([0, 2]), mode=mode, padding_idx=1
        ),
        ROWS_OF_THREE,
    )
row(
    "embedding max_norm",
    lambda ns, W: ns.embedding(torch.tensor([0, 1, 3]), W * 1.0 if ns is NATIVE else F.mul(W, 1.0)),
    ROWS_OF_THREE,
)
IMAGE = T(0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 2, NAN, 0, 1, INF).reshape(1, 1, 4, 4)
for name in ("max_pool2d", "avg_pool2d"):
    row(name, lambda ns, x, name=name: getattr(ns, name)(x, 2), IMAGE)
for p in (1.0, 2.0, 3.0, 0.5):
    row(f"lp_pool2d {p}", lambda ns, x, p=p: ns.lp_pool2d(x, p, 2), torch.zeros(1, 1, 4, 4).double())
    row(f"lp_pool2d {p} some", lambda ns, x, p=p: ns.lp_pool2d(x, p, 2), IMAGE.nan_to_num(0, 0, 0) - 1)
row("adaptive_max_pool2d", lambda ns, x: ns.adaptive_max_pool2d(x, 2), IMAGE)
row("glu", lambda ns, x: ns.glu(x, -1), INFINITE[:, :2])
for mode in ("bilinear", "nearest", "bicubic"):
    for padding in ("zeros", "border", "reflection"):
        row(
            f"grid_sample {mode} {padding}",
            lambda ns, x, g, mode=mode, padding=padding: ns.grid_sample(x, g, mode, padding, align_corners=True),
            IMAGE.nan_to_num(0, 0, 0),
            T(0, 0, -1, -1, 1, 1, 0, 2, 3, -3, 1 / 3, -1 / 3).reshape(1, 2, 3, 2),
        )
row(
    "scatter_reduce amax",
    lambda ns, x, s: x.scatter_reduce(0, torch.tensor([0, 0, 1, 2]), s, "amax"),
    T(1, 0, 0),
    T(1, 1, 0, 1),
    functional=False,
)
row(
    "scatter_reduce mean",
    lambda ns, x, s: x.scatter_reduce(0, torch.tensor([0, 0, 1, 1]), s, "mean", include_self=False),
    T(1, 0, 0),
    T(1, 1, 0, 1),
    functional=False,
)
row("max of two", lambda ns, a, b: torch.max(a, b), *PAIRS.unbind(1), functional=False)
row(
    "weight_norm",
    lambda ns, v, g: torch._weight_norm(v, g, 0),
    ROWS_OF_THREE,
    ROWS_OF_THREE[:, :1] + 1,
    functional=False,
)


#: Functions that are 0 where they stop the gradient.
INFINITE_BEHIND = {
    "relu": lambda x: torch.relu(x),
    "relu_": lambda x: (x * 1).relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "clamp, both": lambda x: x.clamp(0, 5),
    "clamp_": lambda x: (x * 1).clamp_(min=0),
    "hardtanh": lambda x: N.hardtanh(x, 0, 5),
    "relu6": lambda x: N.relu6(x),
    "threshold": lambda x: N.threshold(x, 0, 0),
    "hardshrink": lambda x: N.hardshrink(x, 1.5),
    "softshrink": lambda x: N.softshrink(x, 1.5),
    "hardsigmoid": lambda x: N.hardsigmoid(x * 4),
    "hardswish of relu": lambda x: N.hardswish(x.relu()),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "where": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "masked_fill": lambda x: x.masked_fill(x <= 0, 0),
    "nan_to_num": lambda x: torch.where(x > 0, x, torch.nan).nan_to_num(0.0),
    "max": lambda x: torch.stack([x, torch.zeros_like(x)]).max(0)[0],
    "abs": lambda x: x.relu().abs(),
    "product with a mask": lambda x: x * (x > 0),
    "dropout": lambda x: x * (x > 0).to(x.dtype),
    "hinge": lambda x: N.margin_ranking_loss(x, 0 * x, torch.ones_like(x), reduction="none"),
    "lp_pool1d": lambda x: N.lp_pool1d(x.relu()[None], 2.0, 1)[0],
}  # fmt: skip


def derivatives(f, inputs, order):
    """x_out, the tangent, g_in, and the gradient of a weighing of g_in."""
    generator = torch.Generator().manual_seed(0)
    leaves = [x.clone().requires_grad_() for x in inputs]
    tangents = [torch.rand(x.shape, generator=generator, dtype=x.dtype) + 0.5 for x in inputs]
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = f(*leaves)
        found["output"] = y.detach()
        try:
            found["jvp"] = torch.func.jvp(f, tuple(inputs), tuple(tangents))[1]
        except (NotImplementedError, RuntimeError) as error:
            found["jvp"] = error
    if not y.requires_grad:
        return found
    g = torch.rand(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype) + 0.5
    first = torch.autograd.grad(y, leaves, g, create_graph=order > 1, allow_unused=True)
    for i, d in enumerate(first):
        found[f"g_in[{i}]"] = None if d is None else d.detach()
    again = [(d * t).sum() for d, t in zip(first, tangents, strict=True) if d is not None and d.requires_grad]
    if order > 1 and again:
        try:
            second = torch.autograd.grad(sum(again), leaves, allow_unused=True)
        except (NotImplementedError, RuntimeError) as error:
            second = [error] * len(leaves)
    else:
        second = [None] * len(leaves)
    for i, d in enumerate(second):
        found[f"second[{i}]"] = torch.zeros_like(leaves[i]) if d is None else d
    return found


def wrong(name, path):
    f, inputs, _, order = ROWS[name]
    expected = derivatives(lambda *x: f(NATIVE, *x), inputs, order)

    def ours(*x):
        if path == "functional":
            return f(F, *x)
        with chapter14.by_hand():
            return f(NATIVE, *x)

    found = derivatives(ours, inputs, order)
    for what, e in expected.items():
        if isinstance(e, Exception) or e is None:
            continue
        o = found.get(what)
        if not isinstance(o, torch.Tensor):
            yield what, o, e
        elif not torch.allclose(o, e, 1e-9, 1e-9, equal_nan=True):
            yield what, o, e


#: Where ours is not native's, by row: what differs, and why. docs/native_faults.md has them.
EXCEPTIONS = {
    r"(sinc|mish|gelu|copysign|pow of 0\.0)": ("second", "finite; native has 0/0 or infinity times 0"),
    r"log_ndtr": ("jvp g_in second", "native's formula overflows far below 0, and loses digits before"),
    r"(i0|i1|i1e)": ("jvp g_in second", "native has numbers at NaN"),
    r"(elu|celu|selu)( 2)?": ("jvp g_in second", "native has a number at NaN"),
    r"hardsigmoid": ("jvp g_in", "native's 1/6 is a float32"),
    r"softplus.*": ("second", "at its threshold native has the curve's first and the line's second derivative"),
    r"softsign": ("jvp g_in second", "the limit at infinity is 0; native divides infinity by itself"),
    r"prelu": ("jvp second", "at 0 native's forward mode has slope 1, its reverse mode the weight"),
    r"atan2": ("jvp", "at the origin native's reverse mode has 0, its forward mode NaN"),
    r"(logaddexp2?)": ("second", "0 where one is infinite; native has infinity less itself"),
    r"(maximum|minimum|max of two|clamp low tensor|clamp tensors)": (
        "jvp", "where one is NaN native's forward mode is not its reverse mode",
    ),
    r"(fmax|fmin)": (
        "jvp g_in" if torch.__version__ < (2, 15) else "", "up to 2.14 native sends g to the NaN beside a number too",
    ),
    r"(pow|float_power)": ("second", "a negative or infinite base to the power 0: native masks one derivative of two"),
    r"lerp": ("jvp", "native has infinity where the terms are inf - inf"),
    r"normalize (2|eps|at eps)": ("second", "x / eps is linear where x is 0"),
    r"normalize eps 0": ("jvp", "0/0: native's forward mode is not its reverse mode"),
    r"renorm 3.*": ("second", "native has 0 times infinity of slices that it leaves as they are"),
    r"vector_norm 0\.5 infinite": ("jvp", "native's forward mode is not its reverse mode"),
    r"(cdist|pdist) inf": ("g_in", "native gives each of several largest the whole gradient, which is no subgradient"),
    r"cosine_similarity.*": ("second", "linear in x where its norm is below eps; native has 0/0"),
    r"(prod|cumprod) infinite": ("jvp g_in second", "native divides, and has infinity by itself"),
    r"(torch\.)?logcumsumexp.*": ("jvp second", "native's forward mode takes exp of x less one largest for all rows"),
    r"logsumexp of none": ("jvp", "a sum of nothing is 0"),
    r"torch\.nanmean infinite": ("jvp", "under torch.func a layer's constant has a tangent, 0, which meets infinity"),
    r"nanmean of NaN": ("g_in", "what was left out has no gradient; native has infinity times 0"),
    r"poisson_nll_loss .*'full': True.*": ("g_in second", "native masks Stirling's term, not its NaN gradient"),
    r"kl_div .*": ("jvp g_in second", "the slope by a target of 0 is -inf; native has 0/0"),
    r"bce_with_logits infinite .*": ("jvp", "native's forward mode is not its reverse mode"),
    r"binary_cross_entropy (mean|sum|none)": ("jvp g_in", "native's 1e-12 is a float32"),
    r"cosine_embedding_loss.*": ("jvp g_in second", "native's 1e-12 is a float32"),
    r"gaussian_nll_loss.*": ("jvp", "native's forward mode sees the clamping of var, its reverse mode does not"),
    r"cross_entropy probabilities empty mean": ("jvp", "0 times NaN"),
    r"instance_norm eps 0": ("jvp g_in second", "of equal values without eps native takes 1/0 for 0"),
    r"weight_norm": ("second", "native fails gradgradcheck"),
}  # fmt: skip

CASES = [
    pytest.param(name, path, id=f"{name}-{path}")
    for name, (_, _, functional, _) in ROWS.items()
    for path in ("by_hand", "functional")[: 1 + functional]
]


def excepted(name):
    return {what for row, (whats, _) in EXCEPTIONS.items() if re.fullmatch(row, name) for what in whats.split()}


@pytest.mark.parametrize(("name", "path"), CASES)
def test_singular_points_equal_native(name, path):
    assert not [(what, *rest) for what, *rest in wrong(name, path) if what.partition("[")[0] not in excepted(name)]


def test_every_exception_is_needed():
    for row, (whats, _) in EXCEPTIONS.items():
        rows = [name for name in ROWS if re.fullmatch(row, name)]
        found = {what.partition("[")[0] for name in rows for what, *_ in wrong(name, "by_hand")}
        assert found == set(whats.split()), row


@pytest.mark.parametrize("n", [3, 10_000])
@pytest.mark.parametrize("name", INFINITE_BEHIND)
def test_infinite_gradient_ends_at_a_mask(name, n):
    """sqrt of what a mask made 0: g is infinite there, and native's gradient is 0, not NaN."""

    def gradient():
        x = torch.tensor([-1.0, 0.0, 2.0]).repeat(n // 3 + 1).requires_grad_()
        return torch.autograd.grad(INFINITE_BEHIND[name](x).sqrt().sum(), x)[0]

    with chapter14.by_hand():
        found = gradient()
    torch.testing.assert_close(found, gradient(), equal_nan=True)


@pytest.mark.parametrize(("dtype", "tiny"), [(torch.float64, 5e-324), (torch.float32, 1e-42)])
@pytest.mark.parametrize(
    ("name", "length", "slope"),
    [
        ("vector_norm", lambda x: F.vector_norm(x), 1),
        ("pairwise_distance", lambda x: F.pairwise_distance(x, x.new_zeros(1), eps=0), 1),
        ("cdist", lambda x: F.cdist(x[None], x.new_zeros(1, 1)), 1),
        ("cosine_similarity", lambda x: F.cosine_similarity(x, x.new_ones(1), 0), 1e8),
    ],
)
def test_direction_of_a_subnormal_vector_is_finite(name, length, slope, dtype, tiny):
    x = torch.full((1,), tiny, dtype=dtype, requires_grad=True)
    torch.testing.assert_close(torch.autograd.grad(length(x).sum(), x)[0], torch.full((1,), slope, dtype=dtype))


def test_std_mean_of_equal_values_has_no_slope():
    x = torch.full((5,), 0.4551815049976375, dtype=torch.float64, requires_grad=True)
    with chapter14.by_hand():
        std, mean = torch.std_mean(x)
    assert std == 0 and not torch.autograd.grad(std, x)[0].any()


@pytest.mark.parametrize("f", [F.fmax, F.fmin])
def test_fmax_and_fmin_send_g_to_the_number(f):
    nan = math.nan
    a, b = (torch.tensor(t, requires_grad=True) for t in ([nan, 1.0, nan, 2.0], [1.0, nan, nan, 2.0]))
    g_a, g_b = torch.autograd.grad(f(a, b).sum(), (a, b))
    assert g_a.tolist() == [0, 1, 1, 0.5] and g_b.tolist() == [1, 0, 0, 0.5]
