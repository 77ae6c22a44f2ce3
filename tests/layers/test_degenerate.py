"""Axes that are not there, sizes of 0 and 1, tensors without axes: errors, shapes, dtypes, strides, memory as native.

A row of a table is a call as native takes it; every row is walked over shapes, and where it has one, over axes. It runs
in `by_hand`, and in `chapter14.functional` where that has the function under its name.
"""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch
from torch.nn import functional as N

import chapter14
import chapter14.functional as F

pytestmark = pytest.mark.slow


class Native:
    def __getattr__(self, name):
        places = (N, torch, torch.special, torch.linalg)
        return next(getattr(place, name) for place in places if hasattr(place, name))


NATIVE = Native()
SHAPES = (), (1,), (0,), (1, 1), (2, 0), (2, 3), (2, 1), (1, 2, 3)
DIMS = -4, -2, -1, 0, 1, 9
ZERO = torch.tensor([0])

#: Of functional, and of torch where it has no other name.
ALONG = {
    name: lambda ns, x, dim, name=name: getattr(ns, name)(x, dim)
    for name in (
        "softmax log_softmax softmin logsumexp cumsum cumprod logcumsumexp glu amax amin prod var std unsqueeze "
        "squeeze unbind"
    ).split()
} | {
    "normalize": lambda ns, x, dim: ns.normalize(x, dim=dim),
    "vector_norm": lambda ns, x, dim: ns.vector_norm(x, 2, dim),
    "vector_norm inf": lambda ns, x, dim: ns.vector_norm(x, float("inf"), dim),
    "vector_norm 0": lambda ns, x, dim: ns.vector_norm(x, 0, dim),
    "flip": lambda ns, x, dim: ns.flip(x, (dim,)),
    "roll": lambda ns, x, dim: ns.roll(x, 1, dim),
    "narrow": lambda ns, x, dim: ns.narrow(x, dim, 0, 1),
    "select": lambda ns, x, dim: ns.select(x, dim, 0),
    "flatten": lambda ns, x, dim: ns.flatten(x, dim),
    "flatten to": lambda ns, x, dim: ns.flatten(x, 0, dim),
    "unflatten": lambda ns, x, dim: ns.unflatten(x, dim, (1, -1)),
    "transpose": lambda ns, x, dim: ns.transpose(x, 0, dim),
    "permute": lambda ns, x, dim: ns.permute(x, (dim, *range(x.ndim - 1))),
    "split": lambda ns, x, dim: ns.split(x, 2, dim),
    "stack": lambda ns, x, dim: ns.stack([x, x], dim),
    "index_select": lambda ns, x, dim: ns.index_select(x, dim, ZERO),
    "gather": lambda ns, x, dim: ns.gather(x, dim, torch.zeros(x.shape, dtype=torch.long)),
    "scatter_add": lambda ns, x, dim: ns.scatter_add(x, dim, torch.zeros(x.shape, dtype=torch.long), x),
    "scatter": lambda ns, x, dim: ns.scatter(x, dim, torch.zeros(x.shape, dtype=torch.long), x),
    "index_add": lambda ns, x, dim: ns.index_add(x, dim, torch.arange(x.shape[dim]) if x.ndim else ZERO, x),
    "diagonal": lambda ns, x, dim: ns.diagonal(x, 0, 0, dim),
    "cosine_similarity": lambda ns, x, dim: ns.cosine_similarity(x, x, dim),
}  # fmt: skip
ALONG_NATIVE = {
    f"torch.{name}": lambda ns, x, dim, name=name: getattr(torch, name)(x, dim=dim)
    for name in (
        "sum mean max min median nanmedian mode sort aminmax nansum nanmean std_mean var_mean norm cummax cummin prod "
        "argsort diff trapezoid cumulative_trapezoid argmax unbind count_nonzero"
    ).split()
} | {
    "sum of two": lambda ns, x, dim: x.sum((0, dim)),
    "topk": lambda ns, x, dim: x.topk(1, dim),
    "kthvalue": lambda ns, x, dim: x.kthvalue(1, dim),
    "movedim": lambda ns, x, dim: x.movedim(0, dim),
    "chunk": lambda ns, x, dim: x.chunk(2, dim),
    "tensor_split": lambda ns, x, dim: x.tensor_split(2, dim),
    "cat": lambda ns, x, dim: torch.cat([x, x], dim),
    "unfold": lambda ns, x, dim: x.unfold(dim, 1, 1),
    "take_along_dim": lambda ns, x, dim: x.take_along_dim(torch.zeros(x.shape, dtype=torch.long), dim),
    "index_copy": lambda ns, x, dim: x.index_copy(dim, ZERO, x.narrow(dim, 0, 1) if x.ndim else x),
    "index_fill": lambda ns, x, dim: x.index_fill(dim, ZERO, 2.0),
    "select_scatter": lambda ns, x, dim: x.select_scatter(x.select(dim, 0), dim, 0),
    "slice_scatter": lambda ns, x, dim: x.slice_scatter(x, dim),
    "diag_embed": lambda ns, x, dim: x.diag_embed(0, 0, dim),
    "renorm": lambda ns, x, dim: x.renorm(2, dim, 0.5),
    "quantile": lambda ns, x, dim: x.quantile(0.5, dim),
    "rot90": lambda ns, x, dim: x.rot90(1, (0, dim)),
    "swapaxes": lambda ns, x, dim: x.swapaxes(0, dim),
    "repeat_interleave": lambda ns, x, dim: x.repeat_interleave(2, dim),
    "flip of two": lambda ns, x, dim: x.flip(0, dim),
    "squeeze of two": lambda ns, x, dim: x.squeeze((0, dim)),
    "std of two": lambda ns, x, dim: x.std((0, dim)),
    "logsumexp of two": lambda ns, x, dim: x.logsumexp((0, dim)),
    "cross": lambda ns, x, dim: torch.linalg.cross(x, x, dim=dim),
    "fft": lambda ns, x, dim: torch.fft.fft(x, dim=dim),
    "matrix_norm": lambda ns, x, dim: torch.linalg.matrix_norm(x, dim=(0, dim)),
    "vecdot": lambda ns, x, dim: torch.linalg.vecdot(x, x, dim=dim),
    "tensordot": lambda ns, x, dim: torch.tensordot(x, x, ([dim], [dim])),
}  # fmt: skip

OF_FUNCTIONAL = {
    "cumsum": lambda ns, x: ns.cumsum(x, 0),
    "cumprod": lambda ns, x: ns.cumprod(x, 0),
    "logcumsumexp": lambda ns, x: ns.logcumsumexp(x, 0),
    "reshape": lambda ns, x: ns.reshape(x, x.shape),
    "reshape flat": lambda ns, x: ns.reshape(x, (-1,)),
    "flatten": lambda ns, x: ns.flatten(x),
    "flatten one": lambda ns, x: ns.flatten(x, 0, 0),
    "permute": lambda ns, x: ns.permute(x, tuple(range(x.ndim))),
    "squeeze": lambda ns, x: ns.squeeze(x),
    "flip": lambda ns, x: ns.flip(x, ()),
    "flip 0": lambda ns, x: ns.flip(x, (0,)),
    "roll 0": lambda ns, x: ns.roll(x, 0, 0),
    "roll": lambda ns, x: ns.roll(x, 1),
    "pad": lambda ns, x: ns.pad(x, (0, 0)),
    "pad none": lambda ns, x: ns.pad(x, ()),
    "pad replicate": lambda ns, x: ns.pad(x, (0, 0), "replicate"),
    "pad circular": lambda ns, x: ns.pad(x, (0, 0), "circular"),
    "tril": lambda ns, x: ns.tril(x),
    "split": lambda ns, x: ns.split(x, 9),
    "unbind": lambda ns, x: ns.unbind(x),
    "stack": lambda ns, x: ns.stack([x]),
    "einsum i": lambda ns, x: ns.einsum("...->...", x),
    "einsum turned": lambda ns, x: ns.einsum("ij->ji", x),
    "einsum trace": lambda ns, x: ns.einsum("ii", x),
    "einsum diagonal": lambda ns, x: ns.einsum("ii->i", x),
    "einsum sum": lambda ns, x: ns.einsum("i...->...", x),
    "dropout": lambda ns, x: ns.dropout(x, 0.0),
    "dropout at rest": lambda ns, x: ns.dropout(x, 0.5, False),
    "dropout of all": lambda ns, x: ns.dropout(x, 1.0),
    "alpha_dropout": lambda ns, x: ns.alpha_dropout(x, 0.0, True),
    "alpha_dropout at rest": lambda ns, x: ns.alpha_dropout(x, 0.5),
    "dropout1d at rest": lambda ns, x: ns.dropout1d(x, 0.5, False),
    "feature_alpha_dropout at rest": lambda ns, x: ns.feature_alpha_dropout(x, 0.5),
    "clamp": lambda ns, x: ns.clamp(x, -9, 9),
    "hardtanh": lambda ns, x: ns.hardtanh(x),
    "relu6": lambda ns, x: ns.relu6(x),
    "nan_to_num": lambda ns, x: ns.nan_to_num(x),
    "where": lambda ns, x: ns.where(torch.ones(x.shape, dtype=torch.bool), x, x),
    "masked_fill": lambda ns, x: ns.masked_fill(x, torch.zeros(x.shape, dtype=torch.bool), 0.0),
    "softmax": lambda ns, x: ns.softmax(x, 0),
    "softmax in float32": lambda ns, x: ns.softmax(x, 0, dtype=torch.float32),
    "softmax in its own": lambda ns, x: ns.softmax(x, 0, dtype=torch.float64),
    "normalize": lambda ns, x: ns.normalize(x, dim=0),
    "local_response_norm": lambda ns, x: ns.local_response_norm(x, 1),
    "layer_norm": lambda ns, x: ns.layer_norm(x, x.shape[-1:]),
    "rms_norm": lambda ns, x: ns.rms_norm(x, x.shape[-1:]),
    "prod": lambda ns, x: ns.prod(x, 0),
    "std": lambda ns, x: ns.std(x),
    "logsumexp": lambda ns, x: ns.logsumexp(x, 0),
    "logsumexp kept": lambda ns, x: ns.logsumexp(x, 0, True),
    "amax": lambda ns, x: ns.amax(x, 0),
    "maximum": lambda ns, x: ns.maximum(x, x),
    "avg_pool1d": lambda ns, x: ns.avg_pool1d(x, 1),
    "max_pool1d": lambda ns, x: ns.max_pool1d(x, 1),
    "lp_pool1d": lambda ns, x: ns.lp_pool1d(x, 2.0, 1),
    "adaptive_avg_pool1d": lambda ns, x: ns.adaptive_avg_pool1d(x, x.shape[-1]),
    "adaptive_max_pool1d": lambda ns, x: ns.adaptive_max_pool1d(x, x.shape[-1]),
    "interpolate": lambda ns, x: ns.interpolate(x, x.shape[-1]),
    "interpolate linear": lambda ns, x: ns.interpolate(x, x.shape[-1], mode="linear"),
    "interpolate area": lambda ns, x: ns.interpolate(x, x.shape[-1], mode="area"),
    "channel_shuffle": lambda ns, x: ns.channel_shuffle(x, 1),
    "pixel_shuffle 3": lambda ns, x: ns.pixel_shuffle(x, 1),
    "pixel_unshuffle 3": lambda ns, x: ns.pixel_unshuffle(x, 1),
    "linear of a vector": lambda ns, x: ns.linear(x, torch.ones(x.shape[-1:], dtype=torch.float64)),
    "linear": lambda ns, x: ns.linear(x, torch.ones(2, *x.shape[-1:], dtype=torch.float64)),
    "linear, bias []": lambda ns, x: ns.linear(x, torch.ones(x.shape[-1:]).double(), torch.ones(()).double()),
    "linear, bias [1]": lambda ns, x: ns.linear(x, torch.ones(2, *x.shape[-1:]).double(), torch.ones(1).double()),
    "matmul": lambda ns, x: ns.matmul(x, torch.ones(x.shape[-1:], dtype=torch.float64)),
    "bilinear": lambda ns, x: ns.bilinear(x, x, torch.ones(2, *2 * x.shape[-1:], dtype=torch.float64)),
    "conv1d": lambda ns, x: ns.conv1d(x, torch.ones(1, x.shape[-2], 1, dtype=torch.float64)),
    "gelu": lambda ns, x: ns.gelu(x),
    "mse_loss": lambda ns, x: ns.mse_loss(x, x * 2),
    "mse_loss none": lambda ns, x: ns.mse_loss(x, x * 2, reduction="none"),
    "l1_loss": lambda ns, x: ns.l1_loss(x, x.detach()),
    "cdist": lambda ns, x: ns.cdist(x, x),
    "pairwise_distance": lambda ns, x: ns.pairwise_distance(x, x),
    "cosine_similarity": lambda ns, x: ns.cosine_similarity(x, x, -1),
    "embedding": lambda ns, x: ns.embedding(ZERO[0], x),
    "scaled_dot_product_attention": lambda ns, x: ns.scaled_dot_product_attention(x, x, x),
}  # fmt: skip
OF_NATIVE = {
    f"x.{name}()": lambda ns, x, name=name: getattr(x, name)()
    for name in (
        "contiguous clone detach t T mT squeeze ravel flatten sum mean max min prod median std var norm cumsum abs "
        "positive double float conj real resolve_conj view_as_real sigmoid relu unbind nonzero trace nansum logdet"
    ).split()
    if name not in ("cumsum", "real", "view_as_real", "T", "mT", "logdet")
} | {
    "T": lambda ns, x: x.T if x.ndim == 2 else x,
    "mT": lambda ns, x: x.mT,
    "view": lambda ns, x: x.view(x.shape),
    "view_as": lambda ns, x: x.view_as(x),
    "expand": lambda ns, x: x.expand(x.shape),
    "expand_as": lambda ns, x: x.expand_as(x),
    "expand more": lambda ns, x: x.expand(2, *x.shape),
    "broadcast_to": lambda ns, x: x.broadcast_to(x.shape),
    "broadcast_tensors": lambda ns, x: torch.broadcast_tensors(x, x),
    "to": lambda ns, x: x.to(torch.float64),
    "to float32": lambda ns, x: x.to(torch.float32),
    "type_as": lambda ns, x: x.type_as(x),
    "repeat": lambda ns, x: x.repeat(*[1] * x.ndim),
    "tile": lambda ns, x: x.tile(1),
    "repeat_interleave": lambda ns, x: x.repeat_interleave(1),
    "rot90": lambda ns, x: x.rot90(0, (0, 1)),
    "rot90 4": lambda ns, x: x.rot90(4, (0, 1)),
    "diff 0": lambda ns, x: x.diff(0),
    "diff": lambda ns, x: x.diff(),
    "cat": lambda ns, x: torch.cat([x]),
    "cat of empty": lambda ns, x: torch.cat([x, x.new_empty(0)]),
    "hstack": lambda ns, x: torch.hstack([x]),
    "vstack": lambda ns, x: torch.vstack([x]),
    "dstack": lambda ns, x: torch.dstack([x]),
    "column_stack": lambda ns, x: torch.column_stack([x]),
    "atleast_1d": lambda ns, x: torch.atleast_1d(x),
    "atleast_2d": lambda ns, x: torch.atleast_2d(x),
    "atleast_3d": lambda ns, x: torch.atleast_3d(x),
    "block_diag": lambda ns, x: torch.block_diag(x),
    "cartesian_prod": lambda ns, x: torch.cartesian_prod(x),
    "combinations": lambda ns, x: torch.combinations(x, 1),
    "meshgrid": lambda ns, x: torch.meshgrid(x),
    "meshgrid of two": lambda ns, x: torch.meshgrid(x, x, indexing="xy"),
    "kron": lambda ns, x: torch.kron(x, x.new_ones(())),
    "movedim": lambda ns, x: x.movedim((), ()),
    "x[...]": lambda ns, x: x[...],
    "x[:]": lambda ns, x: x[:],
    "x[()]": lambda ns, x: x[()],
    "x[None]": lambda ns, x: x[None],
    "x[True]": lambda ns, x: x[True],
    "x[0]": lambda ns, x: x[0],
    "x[mask]": lambda ns, x: x[torch.ones(x.shape, dtype=torch.bool)],
    "x[[0]]": lambda ns, x: x[[0]],
    "chunk": lambda ns, x: x.chunk(1),
    "tensor_split": lambda ns, x: x.tensor_split(1),
    "hsplit": lambda ns, x: x.hsplit(1),
    "unsafe_split": lambda ns, x: x.unsafe_split(9),
    "unsafe_chunk": lambda ns, x: x.unsafe_chunk(1),
    "sum over none": lambda ns, x: x.sum(()),
    "sum of axis": lambda ns, x: x.sum(0),
    "sum_to_size": lambda ns, x: x.sum_to_size(x.shape),
    "amax over none": lambda ns, x: x.amax(()),
    "mean over none": lambda ns, x: x.mean(()),
    "max of axis": lambda ns, x: x.max(0),
    "sort": lambda ns, x: x.sort(0),
    "cummax": lambda ns, x: x.cummax(0),
    "x * 1": lambda ns, x: x * 1,
    "x + 0": lambda ns, x: x + 0,
    "x ** 1": lambda ns, x: x**1,
    "x ** 0": lambda ns, x: x**0,
    "x / 1": lambda ns, x: x / 1,
    "addmm": lambda ns, x: torch.addmm(x, x, x.mT, beta=0),
    "lerp": lambda ns, x: torch.lerp(x, x, 0.5),
    "renorm": lambda ns, x: x.renorm(2, 0, 9.0),
    "as_strided": lambda ns, x: x.as_strided(x.shape, x.stride()),
    "diag": lambda ns, x: torch.diag(x),
    "diagonal": lambda ns, x: x.diagonal(),
    "fft of one": lambda ns, x: torch.fft.fft(x, 1),
    "trapezoid": lambda ns, x: torch.trapezoid(x),
    "masked_select": lambda ns, x: x.masked_select(torch.ones(x.shape, dtype=torch.bool)),
    "take": lambda ns, x: x.take(ZERO),
    "nan_to_num": lambda ns, x: x.nan_to_num(),
    "round": lambda ns, x: x.round(),
    "quantile": lambda ns, x: x.quantile(0.5),
    "cov": lambda ns, x: torch.cov(x),
}  # fmt: skip
IMAGES = {
    "pixel_shuffle": lambda ns, x: ns.pixel_shuffle(x, 1),
    "pixel_unshuffle": lambda ns, x: ns.pixel_unshuffle(x, 1),
    "pixel_shuffle 2": lambda ns, x: ns.pixel_shuffle(x, 2),
    "pixel_unshuffle 2": lambda ns, x: ns.pixel_unshuffle(x, 2),
    "channel_shuffle": lambda ns, x: ns.channel_shuffle(x, 1),
    "channel_shuffle 2": lambda ns, x: ns.channel_shuffle(x, 2),
    "interpolate": lambda ns, x: ns.interpolate(x, x.shape[2:]),
    "interpolate bilinear": lambda ns, x: ns.interpolate(x, x.shape[2:], mode="bilinear"),
    "interpolate bicubic": lambda ns, x: ns.interpolate(x, x.shape[2:], mode="bicubic", align_corners=True),
    "interpolate area": lambda ns, x: ns.interpolate(x, x.shape[2:], mode="area"),
    "adaptive_avg_pool2d": lambda ns, x: ns.adaptive_avg_pool2d(x, x.shape[2:]),
    "adaptive_max_pool2d": lambda ns, x: ns.adaptive_max_pool2d(x, x.shape[2:]),
    "adaptive_avg_pool2d 1": lambda ns, x: ns.adaptive_avg_pool2d(x, 1),
    "avg_pool2d": lambda ns, x: ns.avg_pool2d(x, 1),
    "max_pool2d": lambda ns, x: ns.max_pool2d(x, 1),
    "unfold": lambda ns, x: ns.unfold(x, 1),
    "fold": lambda ns, x: ns.fold(x.flatten(2), x.shape[2:], 1),
    "pad": lambda ns, x: ns.pad(x, (0, 0, 0, 0)),
    "pad reflect": lambda ns, x: ns.pad(x, (0, 0, 0, 0), "reflect"),
    "pad circular": lambda ns, x: ns.pad(x, (0, 0, 0, 0), "circular"),
    "pad one axis": lambda ns, x: ns.pad(x, (0, 0, 0, 0, 0, 0, 0, 0)),
    "group_norm": lambda ns, x: ns.group_norm(x, 1),
    "instance_norm": lambda ns, x: ns.instance_norm(x),
    "batch_norm": lambda ns, x: ns.batch_norm(x, None, None, training=True),
    "dropout2d": lambda ns, x: ns.dropout2d(x, 0.0),
    "dropout2d at rest": lambda ns, x: ns.dropout2d(x, 0.5, False),
    "conv2d": lambda ns, x: ns.conv2d(x, torch.ones(1, x.shape[1], 1, 1, dtype=torch.float64)),
    "grid_sample": lambda ns, x: ns.grid_sample(x, torch.zeros(x.shape[0], 1, 1, 2).double(), align_corners=False),
}  # fmt: skip
IMAGE_SHAPES = (
    (1, 1, 1, 1),
    (1, 4, 1, 1),
    (2, 4, 1, 1),
    (1, 4, 2, 2),
    (2, 1, 2, 2),
    (0, 4, 2, 2),
    (1, 4, 0, 2),
    (2, 0, 2, 2),
)


#: Calls with whole numbers as tensors, which native takes for sizes and axes.
FORMS = {
    "avg_pool2d": lambda ns, x, n: ns.avg_pool2d(x, n(2), (n(2), n(1)), n(1)),
    "max_pool2d": lambda ns, x, n: ns.max_pool2d(x, (n(2), n(2)), n(1)),
    "lp_pool2d": lambda ns, x, n: ns.lp_pool2d(x, 2.0, (n(2), n(2))),
    "adaptive_avg_pool2d": lambda ns, x, n: ns.adaptive_avg_pool2d(x, (n(2), n(3))),
    "adaptive_max_pool2d": lambda ns, x, n: ns.adaptive_max_pool2d(x, (n(2), n(3))),
    "interpolate": lambda ns, x, n: ns.interpolate(x, size=(n(3), n(5))),
    "interpolate, one": lambda ns, x, n: ns.interpolate(x, size=n(3)),
    "interpolate bilinear": lambda ns, x, n: ns.interpolate(x, size=(n(3), n(5)), mode="bilinear"),
    "interpolate area": lambda ns, x, n: ns.interpolate(x, size=(n(3), n(5)), mode="area"),
    "conv2d": lambda ns, x, n: ns.conv2d(x, W, stride=n(2), padding=(n(1), n(1)), dilation=n(1), groups=n(1)),
    "conv_transpose2d": lambda ns, x, n: ns.conv_transpose2d(x, W, stride=(n(2), n(1))),
    "unfold": lambda ns, x, n: ns.unfold(x, (n(2), n(2)), stride=(n(2), n(2))),
    "pad": lambda ns, x, n: ns.pad(x, (n(1), n(1))),
    "flatten": lambda ns, x, n: ns.flatten(x, n(1), n(2)),
    "unflatten": lambda ns, x, n: ns.unflatten(x, n(1), (n(2), n(2))),
    "roll": lambda ns, x, n: ns.roll(x, n(1), n(2)),
    "split": lambda ns, x, n: ns.split(x, n(2), n(1)),
    "split, several": lambda ns, x, n: ns.split(x, [n(1), n(3)], 1),
    "narrow": lambda ns, x, n: ns.narrow(x, 1, n(1), 2),
    "squeeze": lambda ns, x, n: ns.squeeze(x, n(1)),
    "softmax": lambda ns, x, n: ns.softmax(x, n(1)),
    "cumsum": lambda ns, x, n: ns.cumsum(x, n(1)),
    "logsumexp": lambda ns, x, n: ns.logsumexp(x, n(1)),
    "amax": lambda ns, x, n: ns.amax(x, (n(1), n(2))),
    "vector_norm": lambda ns, x, n: ns.vector_norm(x, 2, (n(1),)),
    "var": lambda ns, x, n: ns.var(x, n(1)),
    "index_select": lambda ns, x, n: ns.index_select(x, n(1), ZERO),
    "pixel_shuffle": lambda ns, x, n: ns.pixel_shuffle(x, n(2)),
    "group_norm": lambda ns, x, n: ns.group_norm(x, n(2)),
    "layer_norm": lambda ns, x, n: ns.layer_norm(x, (n(6),)),
    "view": lambda ns, x, n: x.view(n(2), -1),
    "reshape": lambda ns, x, n: x.reshape((n(2), n(144))),
    "expand": lambda ns, x, n: x.expand(n(3), 2, 4, 6, 6),
    "repeat": lambda ns, x, n: x.repeat(n(1), 1, 1, n(2)),
    "sum": lambda ns, x, n: x.sum((n(1), n(2))),
    "mean": lambda ns, x, n: x.mean(n(1)),
    "topk": lambda ns, x, n: x.topk(n(2), n(1)),
    "chunk": lambda ns, x, n: x.chunk(n(2), n(1)),
    "movedim": lambda ns, x, n: x.movedim(n(0), n(1)),
    "permute": lambda ns, x, n: x.permute(n(0), n(2), n(1), n(3)),
    "fft": lambda ns, x, n: torch.fft.fft(x, dim=n(1)).abs(),
    "cat": lambda ns, x, n: torch.cat([x, x], n(1)),
    "x[n]": lambda ns, x, n: x[n(0) : n(2), n(1)],
    "new_zeros": lambda ns, x, n: x.new_zeros(n(2), n(3)),
    "meshgrid": lambda ns, x, n: torch.meshgrid(x[0, 0, 0], x[0, 0, 1]),
}  # fmt: skip
W = torch.ones(4, 4, 1, 1, dtype=torch.float64)

#: (name, fact) where ours is not native's, and why. docs/native_faults.md has PyTorch's own faults among them.
EXCEPTIONS = {
    ("torch.trapezoid", "grad"): "of no entries, native's is a constant 0",
    ("trapezoid", "grad"): "of no entries, native's is a constant 0",
    ("index_copy", "strides"): "in x's layout; native's is contiguous",
    ("tensordot", "strides"): "in x's layout; native's is contiguous",
    ("index_fill", "error"): "native fails in setStorage where the axis is empty",
    ("bilinear", "error"): "ShapeError, which is a ValueError and a RuntimeError",
    ("embedding", "error"): "ShapeError, which is a ValueError and a RuntimeError",
    ("as_strided", "gradient"): "of an expanded x no entry has a gradient of its own, which ours says",
    ("pixel_unshuffle 2", "shape"): "of no entries, native's has x's shape",
    ("conv2d", "gradient"): "of no channels",
}


def inputs(shape, requires_grad=True):
    """x of that shape in each layout that it can have, by name."""
    x = torch.arange(1.0, 1 + torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)
    made = {"contiguous": x}
    if x.ndim > 1:
        made["turned"] = x.mT.contiguous().mT
        made["expanded"] = x[:1].expand(shape) if x.shape[0] else x
    if x.ndim == 4:
        made["channels last"] = x.contiguous(memory_format=torch.channels_last)
    return {name: t.detach().requires_grad_(requires_grad) for name, t in made.items()}


def outcome(call, x):
    """What there is to say of each tensor that a call gives; or its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        try:
            y = call(x)
        except Exception as error:
            return error
        outputs = [t for t in (y if isinstance(y, tuple | list) else [y]) if isinstance(t, torch.Tensor)]
        leads = [t for t in outputs if t.requires_grad]
        try:
            (g,) = (
                torch.autograd.grad(leads, x, [torch.ones_like(t) for t in leads], allow_unused=True)
                if leads
                else [None]
            )
            gradient = (torch.zeros_like(x) if g is None else g).reshape(-1).tolist()
        except RuntimeError as error:
            gradient = error
    return [facts(t, x) for t in outputs] + [{"gradient": gradient}]


def facts(y, x):
    shares = y.numel() > 0 and y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    steps = tuple(s for n, s in zip(y.shape, y.stride(), strict=True) if n > 1) if y.numel() else ()
    return {
        "shape": tuple(y.shape), "dtype": y.dtype, "strides": steps, "shares": shares,
        "values": y.detach().reshape(-1).tolist(), "grad": y.requires_grad,
    }  # fmt: skip


def differences(row, functional, x, *dim):
    ways = {"by_hand": NATIVE} | ({"functional": F} if functional else {})
    expected = outcome(lambda x: row(NATIVE, x, *dim), x)
    for way, ns in ways.items():
        with chapter14.by_hand() if way == "by_hand" else torch.enable_grad():
            found = outcome(lambda x, ns=ns: row(ns, x, *dim), x)
        if isinstance(expected, Exception):
            if not isinstance(found, type(expected)):
                yield way, "error", found, expected
        elif isinstance(found, Exception) or len(found) != len(expected):
            yield way, "gives", found, expected
        else:
            for f, e in zip(found, expected, strict=True):
                for fact in e:
                    if isinstance(e[fact], Exception):  # native has no gradient
                        continue
                    if isinstance(f[fact], Exception):
                        yield way, fact, f[fact], e[fact]
                        continue
                    same = f[fact] == e[fact]
                    if fact in ("values", "gradient"):
                        a, b = (torch.tensor(t[fact]).to(torch.complex128) for t in (f, e))
                        same = torch.allclose(a, b, equal_nan=True)
                    if not same:
                        yield way, fact, f[fact], e[fact]
                        break


def along(name):
    row, functional = (ALONG[name], True) if name in ALONG else (ALONG_NATIVE[name], False)
    for shape, dim in itertools.product(SHAPES, DIMS):
        for layout, x in inputs(shape).items():
            if layout != "expanded":
                yield from ((shape, dim, layout, *d) for d in differences(row, functional, x, dim))


def degenerate(name):
    table, shapes = (
        (IMAGES, IMAGE_SHAPES) if name in IMAGES else (OF_FUNCTIONAL if name in OF_FUNCTIONAL else OF_NATIVE, SHAPES)
    )
    for shape in shapes:
        for layout, x in inputs(shape).items():
            yield from ((shape, layout, *d) for d in differences(table[name], table is not OF_NATIVE, x))


@pytest.mark.parametrize("name", [*ALONG, *ALONG_NATIVE])
def test_axes_equal_native(name):
    assert not [d for d in along(name) if (name, d[-3]) not in EXCEPTIONS]


@pytest.mark.parametrize("name", [*OF_FUNCTIONAL, *OF_NATIVE, *IMAGES])
def test_degenerate_sizes_equal_native(name):
    assert not [d for d in degenerate(name) if (name, d[-3]) not in EXCEPTIONS]


@pytest.mark.parametrize("name", FORMS)
def test_sizes_and_axes_as_tensors(name):
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    functional = hasattr(F, name.partition(",")[0].split()[0])
    assert not list(differences(FORMS[name], functional, x, torch.tensor))
    assert not isinstance(outcome(lambda x: FORMS[name](NATIVE, x, torch.tensor), x), Exception)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int32, torch.int64, torch.float16])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "prod", "amax", "flip", "roll", "permute", "squeeze", "clamp"])
def test_dtypes_equal_native(name, dtype):
    call = (OF_FUNCTIONAL | {"amax": lambda ns, x: ns.amax(x, 0)})[name]
    for shape in ((), (1,), (2, 3)):
        x = torch.ones(shape, dtype=dtype)
        found, expected = (outcome(lambda x, ns=ns: call(ns, x), x) for ns in (F, NATIVE))
        assert type(found) is type(expected)
        assert isinstance(expected, Exception) or found == expected


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.bool])
@pytest.mark.parametrize("equation", ["ii", "ii->", "ij->i", "ij->ji", "ii->i"])
def test_einsum_of_integers_has_the_dtype_of_a_sum(equation, dtype):
    for n in (0, 1, 2):
        x = torch.ones(n, n, dtype=dtype)
        assert torch.equal(F.einsum(equation, x), torch.einsum(equation, x))
        assert F.einsum(equation, x).dtype == torch.einsum(equation, x).dtype


def test_cdist_error_names_the_dtype():
    with chapter14.by_hand(), pytest.raises(NotImplementedError, match="cdist"):
        torch.cdist(torch.ones(2, 3).half(), torch.ones(2, 3).half())


@pytest.mark.parametrize("kernel", [1, 2])
@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_conv_transpose_rejects_output_padding_of_stride_and_dilation(axes, batch, kernel):
    """PyTorch's takes it for an empty batch."""
    x, W = torch.randn(batch, 3, *[4] * axes), torch.randn(3, 2, *[kernel] * axes)
    for ns in (F, N) if batch else (F,):
        with pytest.raises(RuntimeError, match="output.padding"):
            getattr(ns, f"conv_transpose{axes}d")(x, W, output_padding=1)


def test_conv_transpose_with_empty_output_has_zero_gradient():
    x, W = torch.randn(2, 2, 1, 3, requires_grad=True), torch.randn(2, 2, 2, 1, requires_grad=True)
    x_out = F.conv_transpose2d(x, W, padding=1)
    assert x_out.shape == N.conv_transpose2d(x, W, padding=1).shape == (2, 2, 0, 1)
    for g, p in zip(torch.autograd.grad(x_out.sum(), (x, W)), (x, W), strict=True):
        assert g.shape == p.shape and not g.any()


@pytest.mark.parametrize("widths", [(-3, 1), (1, -3), (-1, 1, -2, 1)])
def test_circular_padding_rejects_empty_input(widths):
    """PyTorch's returns memory that nobody has written."""
    with pytest.raises(chapter14.layer.shape.ShapeError, match="nothing to repeat"):
        F.pad(torch.randn(1, 1, 2, 3), (*widths, 0, 0)[:4], mode="circular")


@pytest.mark.parametrize("log_target", [True, False])
def test_kl_div_of_integers_raises_as_native(log_target):
    for ns in (F, N):
        with chapter14.by_hand(), pytest.raises(RuntimeError, match="Integral|floating-point"):
            ns.kl_div(torch.ones(2, dtype=torch.int64), torch.ones(2), reduction="sum", log_target=log_target)
