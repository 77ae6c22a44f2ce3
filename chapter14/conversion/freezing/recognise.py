"""Which layers of a traced network are steps of a chain (frozen/layers.py), their parameters fixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from ...frozen.adaptive_pool import FrozenAdaptivePool
from ...frozen.layers import (
    FrozenAdd,
    FrozenAffine,
    FrozenAvgPool,
    FrozenConvolution,
    FrozenFlatten,
    FrozenLayer,
    FrozenLinear,
    FrozenMerge,
    FrozenRelu,
)
from ...frozen.max_pool import FrozenMaxPool
from ...layer.base import Layer
from ...layers.convolution.convolution import Conv, Slide
from ...layers.core import arithmetic, merge, view
from ...layers.core.arrange import Reshape
from ...layers.linear import linear
from ...layers.norm import batch_norm as batchnorm
from ...layers.pointwise import piecewise
from ...layers.pool import avg_pool as pool
from ...layers.pool import max_pool as maxpool
from ...layers.pool.avg_pool import AdaptiveWindows, Windows


def step_of(node: fx.Node, args: tuple) -> FrozenLayer | None:
    """The step that a layer is, on its own; None where it is none. In `args`, what does not depend on x is a value."""
    layer = node.meta.get("layer")
    made = _STEPS.get(getattr(layer, "float32", layer))  # type: ignore[arg-type]  # of float16 and bfloat16: the same
    return made(node, *args) if made else None


def looks_at_strides(node: fx.Node) -> bool:
    """Whether a node depends on the layout of its input in memory."""
    return node.op == "call_module" or node.meta.get("layer") in (view.View, view.Part, view.Strided)


def _conv(node: fx.Node, x: Any, W: Any, b: Any, slide: Slide) -> FrozenLayer | None:
    return FrozenConvolution(W, b, slide) if _are_fixed(W, b) and _is_image(x) and len(slide.stride) == 2 else None


def _linear(node: fx.Node, x: Any, W: Any, b: Any) -> FrozenLayer | None:
    return FrozenLinear(W, b) if _are_fixed(W, b) else None


def _norm(node: fx.Node, x: Any, w: Any, b: Any, mean: Any, variance: Any, eps: float) -> FrozenLayer | None:
    if not _are_fixed(w, b, mean, variance):
        return None
    wide = torch.float64  # rounded once
    r = (variance.to(wide) + eps).rsqrt()
    a = r if w is None else w.to(wide) * r
    c = -a * mean.to(wide)
    c = c if b is None else c + b.to(wide)
    return FrozenAffine(a.to(variance.dtype), c.to(variance.dtype))


def _relu(node: fx.Node, x: Any, at_zero: float) -> FrozenLayer | None:
    return None if at_zero else FrozenRelu()


def _max(node: fx.Node, x: Any, axes: int, largest: Any, corners: Any) -> FrozenLayer | None:
    if not isinstance(largest, maxpool.Largest) or not _is_image(x) or axes != 2 or _gives_indices(node):
        return None
    (size, *sizes), (stride, *strides), (padding, *paddings) = largest.size, largest.stride, largest.padding
    if sizes != [size] or strides != [stride] or paddings != [padding] or set(largest.dilation) != {1} or size > 3:
        return None
    return FrozenMaxPool(size, stride, padding, largest.ceil_mode)


def _avg(node: fx.Node, x: Any, windows: Windows | AdaptiveWindows) -> FrozenLayer | None:
    if not _is_image(x) or len(windows.size) != 2:
        return None
    return FrozenAdaptivePool(windows) if isinstance(windows, AdaptiveWindows) else FrozenAvgPool(windows)


def _flatten(node: fx.Node, x: fx.Node, shape: Any) -> FrozenLayer | None:
    image, row = x.meta["shape"], node.meta["shape"]
    return FrozenFlatten() if len(image) > 1 and len(row) == 2 and row[0] == image[0] else None


def _add(node: fx.Node, a: Any, b: Any) -> FrozenLayer | None:
    both = isinstance(a, fx.Node) and isinstance(b, fx.Node) and a is not b
    return FrozenAdd() if both and a.meta["shape"] == b.meta["shape"] else None


def _merge(node: fx.Node, dim: int, *pieces: Any) -> FrozenLayer | None:
    nodes = all(isinstance(x, fx.Node) for x in pieces) and len(set(pieces)) == len(pieces)
    return FrozenMerge() if nodes and dim % len(node.meta["shape"]) == 1 else None


def _is_image(x: fx.Node) -> bool:
    return len(x.meta["shape"]) == 4


def _gives_indices(pool: fx.Node) -> bool:
    return any(entry.args[1] == 1 for entry in pool.users)


def _are_fixed(*parameters: Any) -> bool:
    return all(p is None or isinstance(p, Tensor) for p in parameters)


_STEPS: dict[type[Layer], Callable[..., FrozenLayer | None]] = {
    Conv: _conv,
    linear.Linear: _linear,
    batchnorm.BatchNormAtRest: _norm,
    piecewise.Relu: _relu,
    maxpool.MaxPool: _max,
    pool.AvgPool: _avg,
    Reshape: _flatten,
    view.View: _flatten,
    arithmetic.Plus: _add,
    merge.Merge: _merge,
}
