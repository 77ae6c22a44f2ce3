"""CASES: every layer, declared once. Each check in `chapter14.checking.checks` reads this table."""

import math

import torch
from torch.nn import functional as native

import chapter14.functional as F
import chapter14.nn as ours
from chapter14.checking.case import Case

nn = torch.nn

SUMS = {"per_datapoint": "the datapoints are one another's input, or are averaged"}
ONE_SHAPE = {"wrong_shapes": "between two given shapes; PyTorch broadcasts what is written out here"}
FLAT = {"wrong_shapes": "PyTorch takes a weight of any shape with as many entries; here it is [C]"}
MAX = {"whole_numbers": "PyTorch takes integers only where it returns indices too, and here they are taken"}
ROWS = torch.tensor([0, 2, 2, 1])
MASK = torch.tensor([True, False, True, True])


# Inputs: (draw, n) → the tensors for a batch of n.


def one(*shape):
    return lambda draw, n: (draw(n, *shape),)


def two(*shape):
    return lambda draw, n: (draw(n, *shape), draw(n, *shape))


def positive(draw, n):
    return (draw(n, 4).detach().exp().requires_grad_(),)


def weighted(x, *parameters):
    """A batch of x, and parameters, which have no batch."""
    return lambda draw, n: (draw(n, *x), *(draw(*p) for p in parameters))


def classes(*places):
    """Scores of five classes at some places, and the classes; one of them is ignored."""

    def inputs(draw, n):
        target = (torch.arange(n * math.prod(places)).reshape(n, *places) * 3) % 5
        return draw(n, 5, *places), target

    return inputs


def index(n, k, size):
    """[n, k] below size; some rows have an entry twice."""
    return (torch.arange(n)[:, None] + torch.arange(k) // 2) % size


def given(f, *args, **kwargs):
    """f with everything said but its first input."""
    return lambda x: f(x, *args, **kwargs)


def case(name, f, like, inputs, composite=None, module=(), but=None, title=""):
    """The function `name` of chapter14.functional, called as f."""
    return Case(f, like, inputs, composite, module, but or {}, f"{name}, {title}" if title else name)


def pointwise(name, like, inputs, title="", module=(), **options):
    f, g = getattr(F, name), like
    module = module and (getattr(ours, module[0]), getattr(nn, module[0]), module[1:])
    return case(name, given(f, **options), given(g, **options), inputs, module=module, title=title)


def seeded(f):
    def call(x):
        torch.manual_seed(14)
        return f(x)

    return call


# The same functions out of plain operations, for where PyTorch's own are wrong or stop at higher orders.


def standardized(x, dims, eps=1e-5):
    centred = x - x.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def attention(q, k, v, mask=None):
    S = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return (S if mask is None else S + mask).softmax(-1) @ v


def causal(q, k, v):
    T, S = q.shape[-2], k.shape[-2]
    return attention(q, k, v, torch.full((T, S), -math.inf, dtype=q.dtype).triu(1))


def convolutions(axes):
    """conv, and conv_transpose: with everything a kernel can do, and with nothing."""
    size, kernel = ((7,), (5, 4), (3, 3, 3))[axes - 1], (3, 2, 2)[:axes]
    f, like = getattr(F, f"conv{axes}d"), getattr(native, f"conv{axes}d")
    back, like_back = getattr(F, f"conv_transpose{axes}d"), getattr(native, f"conv_transpose{axes}d")
    slide, same = {"stride": 2, "dilation": (2, 1, 1)[:axes], "groups": 2}, {"padding": "same", "dilation": 2}
    module = (getattr(ours, f"Conv{axes}d"), getattr(nn, f"Conv{axes}d"), (2, 3, kernel))
    module_back = (getattr(ours, f"ConvTranspose{axes}d"), getattr(nn, f"ConvTranspose{axes}d"), (2, 3, kernel))
    whole, whole_back = (weighted((2, *size), W, (3,)) for W in ((3, 2, *kernel), (2, 3, *kernel)))
    grouped, grouped_back = (weighted((2, *size), (W, 1, *kernel), (b,)) for W, b in ((4, 4), (2, 2)))

    def call(f, **options):
        return lambda x, W, b: f(x, W, b, **options)

    def by_cropping(x, W, b):
        """PyTorch's second derivatives raise where there is an output_padding."""
        uncropped = like_back(x, W, **slide)
        return native.pad(uncropped, (-1, 0) * axes) + b.view(-1, *(1 for _ in size))

    title, rest = "stride 2, padding, dilation, groups", {"padding": 1, "output_padding": 1}
    return [
        case(f"conv{axes}d", f, like, whole, module=module),
        case(f"conv{axes}d", call(f, **slide, padding=1), call(like, **slide, padding=1), grouped, title=title),
        case(f"conv{axes}d", call(f, **same), call(like, **same), whole, title="same size"),
        case(f"conv_transpose{axes}d", back, like_back, whole_back, module=module_back),
        case(f"conv_transpose{axes}d", call(back, **slide, **rest), call(like_back, **slide, **rest), grouped_back,
             by_cropping, title=title),
    ]  # fmt: skip


def pools(axes):
    size = ((6,), (5, 4), (4, 3, 3))[axes - 1]

    def pool(kind, *args, title="", but=None, **options):
        name = f"{kind}_pool{axes}d"
        words = {
            "avg": "AvgPool",
            "max": "MaxPool",
            "adaptive_avg": "AdaptiveAvgPool",
            "adaptive_max": "AdaptiveMaxPool",
        }
        twins = (getattr(ours, f"{words[kind]}{axes}d"), getattr(nn, f"{words[kind]}{axes}d"), args)
        f, like = (given(getattr(where, name), *args, **options) for where in (F, native))
        return case(name, f, like, one(2, *size), module=() if options else twins, title=title, but=but)

    overlapping = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}
    return [
        pool("avg", 2),
        pool("avg", title="overlapping, inside only", **overlapping, count_include_pad=False),
        pool("max", 2, but=MAX if axes == 1 else None),
        pool("max", title="overlapping", **overlapping, but=MAX if axes == 1 else None),
        pool("adaptive_avg", 3),
        pool("adaptive_max", 3),
    ]


def attended(name, f, like, *extra, composite=None, title=""):
    def inputs(draw, n):
        return draw(n, 6, 2), draw(n, 7, 2), draw(n, 7, 3), *(t(draw) for t in extra)

    return case(name, f, like, inputs, composite, title=title)


def cross_entropies(name, make_ours, make_native):
    f, like = getattr(F, name), getattr(native, name)
    w = torch.linspace(0.5, 2, 5, dtype=torch.float64)

    def call(f, **options):
        return lambda x, y: f(x, y, **options)

    def with_weight(f, **options):
        return lambda x, y: f(x, y, w.to(x.dtype), **options)

    return [
        case(name, f, like, classes(), module=(make_ours, make_native, ()), but=SUMS),
        case(name, call(f, reduction="none"), call(like, reduction="none"), classes(3),
             but={"per_datapoint": "places need a batch axis, as in PyTorch"}, title="of each place"),
        case(name, with_weight(f, ignore_index=3), with_weight(like, ignore_index=3), classes(2), but=SUMS,
             title="weighted, one class ignored"),
    ]  # fmt: skip


def soft(draw, n):
    return draw(n, 5), draw(n, 5).detach().softmax(1).requires_grad_()


CASES = [
    # 14.6.1
    case("linear", F.linear, native.linear, weighted((4,), (5, 4), (5,)), module=(ours.Linear, nn.Linear, (4, 5))),
    case("linear", F.linear, native.linear, weighted((2, 4), (5, 4)), title="no bias, two batch axes"),
    case("outer", F.outer, lambda g, x: torch.einsum("...m,...n->mn", g, x), lambda draw, n: (draw(n, 4), draw(n, 3)),
         but=SUMS | ONE_SHAPE),
    # 14.6.2
    pointwise("relu", native.relu, one(4), module=("ReLU",)),
    case("relu", given(F.relu, at_zero=0), native.relu, one(4), title="at_zero=0"),
    pointwise("leaky_relu", native.leaky_relu, one(4), module=("LeakyReLU", 0.2)),
    pointwise("leaky_relu", native.leaky_relu, one(4), "falling", negative_slope=-0.3),
    pointwise("sigmoid", torch.sigmoid, one(4), module=("Sigmoid",)),
    pointwise("tanh", torch.tanh, one(4), module=("Tanh",)),
    pointwise("gelu", native.gelu, one(4), module=("GELU",)),
    pointwise("gelu", native.gelu, one(4), "by tanh", approximate="tanh"),
    pointwise("silu", native.silu, one(4), module=("SiLU",)),
    pointwise("softplus", native.softplus, one(4), module=("Softplus",)),
    pointwise("softplus", native.softplus, one(4), "sharp", beta=3.0, threshold=1.0),
    pointwise("elu", native.elu, one(4), module=("ELU",)),
    pointwise("elu", native.elu, one(4), "half", alpha=0.5),
    pointwise("exp", torch.exp, one(4)),
    pointwise("log", torch.log, positive),
    pointwise("erf", torch.erf, one(4)),
    pointwise("absolute", torch.abs, one(4)),
    case("pointwise", given(F.pointwise, torch.sigmoid, lambda x: F.times(F.sigmoid(x), F.sigmoid(F.scale(x, -1)))),
         torch.sigmoid, one(4), title="the user's sigmoid"),
    # 14.6.3
    case("l2_loss", F.l2_loss, lambda a, b: native.mse_loss(a, b, reduction="none").sum(1).mean(), two(4),
         but=SUMS | ONE_SHAPE),
    case("l2_loss", lambda a, b: F.l2_loss(a, b, "none"),
         lambda a, b: native.mse_loss(a, b, reduction="none").sum(1), two(4), but=ONE_SHAPE, title="of each datapoint"),
    case("mse_loss", F.mse_loss, native.mse_loss, two(4), lambda a, b: (a - b).square().mean(),
         (ours.MSELoss, nn.MSELoss, ()), SUMS),
    case("l1_loss", F.l1_loss, native.l1_loss, two(4), module=(ours.L1Loss, nn.L1Loss, ()), but=SUMS),
    *cross_entropies("nll_loss", ours.NLLLoss, nn.NLLLoss),
    *cross_entropies("cross_entropy", ours.CrossEntropyLoss, nn.CrossEntropyLoss),
    case("cross_entropy", F.cross_entropy, native.cross_entropy, soft, but=SUMS, title="of probabilities"),
    case("cross_entropy", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.2),
         lambda x, y: native.cross_entropy(x, y, label_smoothing=0.2), classes(2), but=SUMS, title="smoothed"),
    # 14.7
    case("branch", F.branch, lambda x: (x.view_as(x), x.view_as(x)), one(4)),
    case("add_up", F.add_up, lambda a, b, c: a + b + c, lambda draw, n: (draw(n, 4), draw(n, 4), draw(n, 4)),
         but=ONE_SHAPE),
    case("spread", given(F.spread, (3, 2, 4)), lambda x: x.expand(3, 2, 4), lambda draw, n: (draw(2, 1),)),
    case("total", given(F.total, (2, 1)), lambda x: x.sum_to_size(2, 1), lambda draw, n: (draw(3, 2, 4),)),
    case("merge", F.merge, lambda *x: torch.cat(x, -1), lambda draw, n: (draw(n, 4), draw(n, 2), draw(n, 1))),
    case("split", given(F.split, [1, 3]), lambda x: torch.split(x, [1, 3], -1), one(4)),
    # entry by entry
    case("plus", F.plus, torch.add, two(4)),
    case("plus", F.plus, torch.add, weighted((3, 4), (4,)), title="broadcast"),
    case("minus", F.minus, torch.sub, two(4)),
    case("times", F.times, torch.mul, two(4)),
    case("times", F.times, torch.mul, weighted((3, 4), (3, 1)), title="broadcast"),
    case("scale", given(F.scale, 3.0), lambda x: x * 3.0, one(4)),
    case("shift", given(F.shift, 3.0), lambda x: x + 3.0, one(4)),
    case("power", given(F.power, 2.5), lambda x: x**2.5, positive),
    case("power", given(F.power, 3), lambda x: x**3, one(4), title="whole"),
    case("gate", lambda x: F.gate(x, MASK.expand(x.shape)), lambda x: x * MASK, one(4)),
    case("keep", lambda x: F.keep(x, MASK), lambda x: torch.where(MASK, x, 0), one(4)),
    case("sum_along", given(F.sum_along, -2), lambda x: x.sum(-2, keepdim=True), one(4, 2)),
    case("mean_along", given(F.mean_along, (-2, -1)), lambda x: x.mean((-2, -1), keepdim=True), one(4, 2)),
    # entries that only move
    case("reshape", lambda x: F.reshape(x, (*x.shape[:-2], 3, 2)), lambda x: x.reshape(*x.shape[:-2], 3, 2), one(2, 3)),
    case("flatten", given(F.flatten, 1), given(torch.flatten, 1), one(2, 3), module=(ours.Flatten, nn.Flatten, ())),
    case("permute", given(F.permute, (0, 2, 1)), lambda x: x.permute(0, 2, 1), one(2, 3),
         but={"per_datapoint": "the axes are counted with the batch"}),
    case("transpose", F.transpose, lambda x: x.transpose(-2, -1), one(2, 3)),
    case("flip", given(F.flip, (-1,)), given(torch.flip, (-1,)), one(4)),
    case("roll", given(F.roll, (1, -2), (-2, -1)), given(torch.roll, (1, -2), (-2, -1)), one(4, 3)),
    case("narrow", given(F.narrow, -1, 1, 2), lambda x: x.narrow(-1, 1, 2), one(4)),
    case("take", given(F.take, ROWS, -1), given(torch.index_select, -1, ROWS), one(4)),
    case("put", given(F.put, ROWS, -1, 5), lambda x: x.new_zeros(*x.shape[:-1], 5).index_add(-1, ROWS, x), one(4)),
    case("pick", F.pick, lambda x, i: x.gather(-1, i), lambda draw, n: (draw(n, 4), index(n, 3, 4))),
    case("place", lambda x, i: F.place(x, i, -1, (*x.shape[:-1], 5)),
         lambda x, i: x.new_zeros(*x.shape[:-1], 5).scatter_add(-1, i, x),
         lambda draw, n: (draw(n, 3), index(n, 3, 5))),
    case("embedding", lambda W, i: F.embedding(i, W), lambda W, i: native.embedding(i, W),
         lambda draw, n: (draw(5, 3), index(n, 4, 5)), but={"per_datapoint": "W has no batch"}),
    case("pad", given(F.pad, (1, 2), value=3.0), given(native.pad, (1, 2), value=3.0), one(2, 4), title="with a value"),
    case("pad", given(F.pad, (1, -2)), given(native.pad, (1, -2)), one(2, 4)),
    *(case("pad", given(F.pad, (2, 1), mode), given(native.pad, (2, 1), mode), one(2, 4), title=mode,
           but={"lean": "it remembers where the entries of one axis come from"} if mode == "circular" else {})
      for mode in ("reflect", "replicate", "circular")),
    case("pixel_shuffle", given(F.pixel_shuffle, 2), given(native.pixel_shuffle, 2), one(8, 3, 2),
         module=(ours.PixelShuffle, nn.PixelShuffle, (2,))),
    case("pixel_unshuffle", given(F.pixel_unshuffle, 2), given(native.pixel_unshuffle, 2), one(2, 6, 4),
         module=(ours.PixelUnshuffle, nn.PixelUnshuffle, (2,))),
    # products of matrices
    case("matmul", F.matmul, torch.matmul, lambda draw, n: (draw(n, 3, 4), draw(n, 4, 2))),
    case("matmul", F.matmul, torch.matmul, weighted((2, 3, 4), (2, 4, 2)), title="broadcast"),
    case("matmul", F.matmul, torch.matmul, weighted((3, 4), (4,)), title="by a vector"),
    *(c for axes in (1, 2, 3) for c in convolutions(axes)),
    *(c for axes in (1, 2, 3) for c in pools(axes)),
    # softmax
    case("softmax", given(F.softmax, -1), given(native.softmax, -1), one(4), module=(ours.Softmax, nn.Softmax, (-1,))),
    case("softmin", given(F.softmin, -2), given(native.softmin, -2), one(4, 2),
         module=(ours.Softmin, nn.Softmin, (-2,))),
    case("log_softmax", given(F.log_softmax, -1), given(native.log_softmax, -1), one(4),
         module=(ours.LogSoftmax, nn.LogSoftmax, (-1,))),
    case("logsumexp", given(F.logsumexp, -1), given(torch.logsumexp, -1), one(4)),
    case("logsumexp", given(F.logsumexp, (-2, -1), keepdim=True), given(torch.logsumexp, (-2, -1), keepdim=True),
         one(4, 2), title="over two axes"),
    # norms
    case("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b), lambda x, w, b: native.layer_norm(x, (4,), w, b),
         weighted((4,), (4,), (4,)), lambda x, w, b: standardized(x, -1) * w + b,
         (ours.LayerNorm, nn.LayerNorm, (4,))),
    case("layer_norm", given(F.layer_norm, (2, 3)), given(native.layer_norm, (2, 3)), one(2, 3),
         lambda x: standardized(x, (1, 2)), title="over two axes, no parameters"),
    case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
         lambda x, w, b: native.batch_norm(x, None, None, w, b, True), weighted((4, 2), (4,), (4,)),
         lambda x, w, b: standardized(x, (0, 2)) * w[:, None] + b[:, None], (ours.BatchNorm1d, nn.BatchNorm1d, (4,)),
         SUMS | FLAT),
    case("batch_norm", lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b),
         lambda x, w, b, m, v: native.batch_norm(x, m, v, w, b),
         lambda draw, n: (draw(n, 4, 2), draw(4), draw(4), draw(4).detach(), draw(4).detach().exp()),
         lambda x, w, b, m, v: (x - m[:, None]) * (v[:, None] + 1e-5).rsqrt() * w[:, None] + b[:, None],
         title="by its running statistics", but=FLAT | {"per_datapoint": "it needs a batch axis, as PyTorch's"}),
    case("normalize", given(F.normalize, dim=-1), given(native.normalize, dim=-1), one(4),
         lambda x: x * x.square().sum(-1, keepdim=True) ** -0.5),
    case("normalize", given(F.normalize, p=3.0, dim=-1), given(native.normalize, p=3.0, dim=-1), one(4),
         lambda x: x * (x.abs() ** 3).sum(-1, keepdim=True) ** (-1 / 3), title="p=3",
         but={"lean": "made of five layers, each of which remembers what it needs; p=2 is one"}),
    # attention
    attended("scaled_dot_product_attention", F.scaled_dot_product_attention, native.scaled_dot_product_attention,
             composite=attention),
    attended("scaled_dot_product_attention", F.scaled_dot_product_attention, native.scaled_dot_product_attention,
             lambda draw: draw(6, 7), composite=attention, title="a mask that learns"),
    attended("scaled_dot_product_attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
             lambda q, k, v: native.scaled_dot_product_attention(q, k, v, is_causal=True), composite=causal,
             title="causal"),
    # chance
    case("dropout", given(F.dropout, training=False), given(native.dropout, training=False), one(4),
         module=(ours.Dropout, nn.Dropout, (0.3,)), title="at rest"),
    case("dropout", seeded(F.dropout), seeded(native.dropout), one(4),
         but={"per_datapoint": "vmap asks first whether the entries are to differ",
              "compiles": "Dynamo does not seed, which this case does to be the same each time"}),
]  # fmt: skip
