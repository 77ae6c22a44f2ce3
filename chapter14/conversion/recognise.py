"""Which nodes of a traced network are steps of a chain (frozen/steps.py), their parameters fixed."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as native

from ..frozen.maxpool import MaxPool
from ..frozen.pooled import Pooled
from ..frozen.steps import Add, Affine, Convolution, Flatten, Linear, Mean, Merge, Relu, Step
from ..layers.convolution import Slide
from ..layers.pool import Parts, Windows, each
from .model import MODULES


def step_of(node: fx.Node, module: nn.Module | None) -> Step | None:
    """The step that a node is, on its own; None where it is none."""
    if node.op == "call_module":
        assert module is not None
        if _hooked(module) or len(node.args) != 1 or node.kwargs or not isinstance(node.args[0], fx.Node):
            return None
        made = _MODULES.get(_NATIVE.get(type(module), type(module)))
        return made(module) if made else None
    made = _CALLS.get(node.target) if node.op in ("call_function", "call_method") else None
    return made(*node.args, **node.kwargs) if made else None


def is_nothing(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node gives its input, as dropout does when it is at rest."""
    cls = _NATIVE.get(type(module), type(module)) if module is not None else None
    return cls in (nn.Dropout, nn.Dropout2d, nn.Identity) and not _hooked(module)


def writes(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a step is written where its input lies."""
    asked = getattr(module, "inplace", False) or node.kwargs.get("inplace", False)
    return bool(asked) or node.target in (operator.iadd, "add_")


def looks_at_strides(node: fx.Node) -> bool:
    """Whether a node minds how its input lies in memory."""
    return node.target in ("view", "view_as", "as_strided", "stride", "is_contiguous", "data_ptr", torch.as_strided)


def _hooked(module: Any) -> bool:
    return any(vars(module)[name] for name in vars(module) if name.endswith("_hooks")) or "forward" in vars(module)


def _conv(m: nn.Conv2d) -> Step | None:
    if m.padding_mode != "zeros" or isinstance(m.padding, str):
        return None
    slide = Slide(m.stride, m.padding, m.dilation, m.groups)
    return Convolution(m.weight.detach(), None if m.bias is None else m.bias.detach(), slide)


def _linear(m: nn.Linear) -> Step | None:
    return Linear(m.weight.detach(), None if m.bias is None else m.bias.detach())


def _norm(m: nn.BatchNorm2d) -> Step | None:
    if m.training or m.running_mean is None or m.running_var is None:
        return None
    wide = torch.float64  # rounded once
    r = (m.running_var.to(wide) + m.eps).rsqrt()
    a = r if m.weight is None else m.weight.detach().to(wide) * r
    c = -a * m.running_mean.to(wide)
    c = c if m.bias is None else c + m.bias.detach().to(wide)
    return Affine(a.to(m.running_var.dtype), c.to(m.running_var.dtype))


def _one(value: Any) -> int | None:
    """The number, where it is the same along both axes."""
    both = each(value, 2)
    return both[0] if both[0] == both[1] else None


def _max(kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False) -> Step | None:
    stride = kernel_size if stride is None or stride == () else stride
    size, stride, padding, dilation = map(_one, (kernel_size, stride, padding, dilation))
    if size is None or stride is None or padding is None or dilation != 1 or return_indices or size > 3:
        return None
    return MaxPool(size, stride, padding, ceil_mode)


def _avg(size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor=None) -> Step:
    size = each(size, 2)
    stride = size if stride is None or stride == () else each(stride, 2)
    return Mean(Windows(size, stride, each(padding, 2), ceil_mode, count_include_pad, divisor))


def _parts(size: Any) -> Step | None:
    size = (size, size) if isinstance(size, int | None) else tuple(size)
    return None if None in size else Pooled(Parts(size))


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Step | None:
    return Flatten() if (start_dim, end_dim) == (1, -1) else None


def _add(a: Any, b: Any, alpha: Any = 1) -> Step | None:
    return Add() if isinstance(a, fx.Node) and isinstance(b, fx.Node) and a is not b and alpha == 1 else None


def _cat(tensors: Any, dim: Any = 0) -> Step | None:
    nodes = isinstance(tensors, list | tuple) and all(isinstance(t, fx.Node) for t in tensors)
    return Merge() if nodes and dim == 1 and len(set(tensors)) == len(tensors) else None


_MODULES: dict[type, Callable[[Any], Step | None]] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.BatchNorm2d: _norm,
    nn.BatchNorm1d: _norm,
    nn.ReLU: lambda m: Relu(),
    nn.MaxPool2d: lambda m: _max(m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices),
    nn.AvgPool2d: lambda m: _avg(
        m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override
    ),
    nn.AdaptiveAvgPool2d: lambda m: _parts(m.output_size),
    nn.Flatten: lambda m: _flatten(None, m.start_dim, m.end_dim),
}

_NATIVE = {ours: native for native, ours in MODULES.items()}  # relu of a converted model is PyTorch's, with h'(0) = 0

_CALLS: dict[Any, Callable[..., Step | None]] = {
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    "add": _add,
    "add_": _add,
    torch.cat: _cat,
    torch.flatten: _flatten,
    "flatten": _flatten,
    native.adaptive_avg_pool2d: lambda input, output_size: _parts(output_size),
    native.max_pool2d: lambda input, *how, **named: _max(*how, **named),
    native.relu: lambda input, inplace=False: Relu(),
    torch.relu: lambda input: Relu(),
    "relu": lambda input: Relu(),
}
