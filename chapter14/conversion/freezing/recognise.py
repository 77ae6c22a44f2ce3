"""Which nodes of a traced network are layers of a chain (frozen/layers.py), with fixed parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from ...frozen import layers as frozen
from ...frozen.adaptive_pool import FrozenAdaptivePool
from ...frozen.layers import FrozenLayer
from ...frozen.max_pool import FrozenMaxPool
from ...layer.base import Layer
from ...layers.convolution.convolution import Conv, Slide
from ...layers.core import view
from ...layers.core.arithmetic import Plus
from ...layers.core.arrange import Reshape
from ...layers.core.merge import Merge
from ...layers.linear.linear import Linear
from ...layers.norm.batch_norm import BatchNormAtRest
from ...layers.pointwise.piecewise import Hardtanh, Relu
from ...layers.pool.avg_pool import AdaptiveWindows, AvgPool, Windows
from ...layers.pool.max_pool import Largest, MaxPool


def frozen_layer(node: fx.Node, args: tuple) -> FrozenLayer | None:
    """The frozen layer of a node; None if it has none. Arguments that do not depend on x are values."""
    layer = node.meta.get("layer")
    make = _LAYERS.get(getattr(layer, "float32", layer))  # type: ignore[arg-type]  # of float16 and bfloat16: the same
    return make(node, *args) if make else None


def reads_strides(node: fx.Node) -> bool:
    """Whether a node depends on the memory layout of its input."""
    return node.op == "call_module" or node.meta.get("layer") in (view.View, view.Part, view.Strided)


def _conv(node: fx.Node, x: Any, W: Any, b: Any, slide: Slide) -> FrozenLayer | None:
    if not _are_fixed(W, b) or not _is_image(x) or len(slide.stride) != 2:
        return None
    return frozen.FrozenConvolution(W, b, slide)


def _linear(node: fx.Node, x: Any, W: Any, b: Any) -> FrozenLayer | None:
    return frozen.FrozenLinear(W, b) if _are_fixed(W, b) else None


def _norm(node: fx.Node, x: Any, w: Any, b: Any, mean: Any, variance: Any, eps: float) -> FrozenLayer | None:
    if not _are_fixed(w, b, mean, variance):
        return None
    wide = torch.float64  # rounded once
    a = (variance.to(wide) + eps).rsqrt()
    a = a if w is None else w.to(wide) * a
    c = -a * mean.to(wide)
    c = c if b is None else c + b.to(wide)
    return frozen.FrozenAffine(a.to(variance.dtype), c.to(variance.dtype))


def _relu(node: fx.Node, x: Any, at_zero: float) -> FrozenLayer | None:
    return None if at_zero else frozen.FrozenRelu()


def _relu6(node: fx.Node, x: Any, lo: float, hi: float) -> FrozenLayer | None:
    return frozen.FrozenRelu(hi) if (lo, hi) == (0, 6) else None  # a number that bfloat16 has


def _max(node: fx.Node, x: Any, axes: int, largest: Any, corners: Any) -> FrozenLayer | None:
    if not isinstance(largest, Largest) or not _is_image(x) or axes != 2 or _gives_indices(node):
        return None
    (size, *sizes), (stride, *strides), (padding, *paddings) = largest.size, largest.stride, largest.padding
    if sizes != [size] or strides != [stride] or paddings != [padding] or set(largest.dilation) != {1} or size > 3:
        return None
    return FrozenMaxPool(size, stride, padding, largest.ceil_mode)


def _avg(node: fx.Node, x: Any, windows: Windows | AdaptiveWindows) -> FrozenLayer | None:
    if not _is_image(x) or len(windows.size) != 2:
        return None
    return FrozenAdaptivePool(windows) if isinstance(windows, AdaptiveWindows) else frozen.FrozenAvgPool(windows)


def _flatten(node: fx.Node, x: fx.Node, shape: Any) -> FrozenLayer | None:
    image, row = x.meta["shape"], node.meta["shape"]
    return frozen.FrozenFlatten() if len(image) > 1 and len(row) == 2 and row[0] == image[0] else None


def _add(node: fx.Node, a: Any, b: Any) -> FrozenLayer | None:
    both = isinstance(a, fx.Node) and isinstance(b, fx.Node) and a is not b
    return frozen.FrozenAdd() if both and a.meta["shape"] == b.meta["shape"] else None


def _merge(node: fx.Node, dim: int, *pieces: Any) -> FrozenLayer | None:
    nodes = all(isinstance(x, fx.Node) for x in pieces) and len(set(pieces)) == len(pieces)
    return frozen.FrozenMerge() if nodes and dim % len(node.meta["shape"]) == 1 else None


def _is_image(x: fx.Node) -> bool:
    return len(x.meta["shape"]) == 4


def _gives_indices(pool: fx.Node) -> bool:
    return any(entry.args[1] == 1 for entry in pool.users)


def _are_fixed(*parameters: Any) -> bool:
    return all(p is None or isinstance(p, Tensor) for p in parameters)


_LAYERS: dict[type[Layer], Callable[..., FrozenLayer | None]] = {
    Conv: _conv,
    Linear: _linear,
    BatchNormAtRest: _norm,
    Relu: _relu,
    Hardtanh: _relu6,
    MaxPool: _max,
    AvgPool: _avg,
    Reshape: _flatten,
    view.View: _flatten,
    Plus: _add,
    Merge: _merge,
}
