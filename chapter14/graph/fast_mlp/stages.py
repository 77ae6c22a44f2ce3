"""What a chain replaces a layer or a loss by: a stage in preallocated memory where there is one, else a `Block`."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as native

from ... import functional as F
from ... import nn
from ...layers.pointwise.activation import Gelu, Silu
from ...layers.pointwise.pointwise import Sigmoid, Tanh
from ...nn.activation import TorchReLU
from ..block import Block
from .layers import LinearStage, ReluStage
from .losses import BlockLoss, CrossEntropyOfClasses, SquaredErrorLoss
from .pointwise import PointwiseStage

#: A pointwise module of `chapter14.nn` -> its `Layer` and constants.
POINTWISE: dict[type[torch.nn.Module], Any] = {
    nn.Tanh: lambda f: (Tanh,),
    nn.Sigmoid: lambda f: (Sigmoid,),
    nn.SiLU: lambda f: (Silu,),
    nn.GELU: lambda f: (Gelu, f.approximate),
}


def stage(f: Any) -> Any:
    """f as an object with the methods forward, backward and update."""
    if not isinstance(f, torch.nn.Module) and all(hasattr(f, name) for name in ("forward", "backward", "update")):
        return f
    if f is F.relu:
        return ReluStage()
    if not isinstance(f, torch.nn.Module) or has_hooks(f):
        return Block(f)
    if type(f) is nn.Linear and all(p.requires_grad for p in f.parameters()):
        return LinearStage(f.weight, f.bias)
    if isinstance(f, nn.ReLU) and type(f).forward in (nn.ReLU.forward, TorchReLU.forward):
        return ReluStage(f.at_zero)
    return PointwiseStage(*POINTWISE[type(f)](f)) if type(f) in POINTWISE else Block(f)


def loss_stage(loss: Any) -> Any:
    """The loss as an object with the methods forward and backward."""
    reduction = getattr(loss, "reduction", "mean")
    if loss is F.l2_loss or type(loss) is nn.L2Loss and reduction != "none":
        return SquaredErrorLoss("l2_loss", "datapoints" if reduction == "mean" else None)
    if loss is F.mse_loss or type(loss) is nn.MSELoss and reduction != "none":
        return SquaredErrorLoss("mse_loss", "entries" if reduction == "mean" else None)
    if loss is F.cross_entropy:
        return CrossEntropyOfClasses(BlockLoss(loss), None, -100, "mean")
    if type(loss) is nn.CrossEntropyLoss and reduction != "none" and not loss.label_smoothing:
        return CrossEntropyOfClasses(BlockLoss(loss), loss.weight, loss.ignore_index, reduction)
    return BlockLoss(loss)


def counterpart_of(f: Any, name: str) -> Any:
    """The counterpart of a layer or loss of PyTorch: ours, with the same attributes. One of ours is returned as it is.

    Raises:
        TypeError: there is none.
    """
    kind = type(f)
    if isinstance(f, torch.nn.Module) and kind.__module__.startswith("torch.nn."):
        ours = TorchReLU if kind is torch.nn.ReLU else getattr(nn, kind.__name__, None)
        if ours is None or not issubclass(ours, kind):
            raise TypeError(f"Chain.from_module: {name}, a {kind.__name__}, has no counterpart in chapter14.nn.")
        made = ours.__new__(ours)
        object.__setattr__(made, "__dict__", vars(f))  # shared: parameters and modes stay the same
        return made
    function = getattr(f, "__name__", "")
    return getattr(F, function) if function and f is getattr(native, function, None) else f


def has_hooks(f: torch.nn.Module) -> bool:
    """Whether a call of f does more than its forward."""
    return any(vars(f)[name] for name in vars(f) if name.endswith("_hooks"))


def leaves(model: torch.nn.Module, name: str = "") -> list[tuple[str, torch.nn.Module]]:
    """The layers of a Sequential, nested ones included, each with its name.

    Raises:
        TypeError: `model` is not a module.
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"Chain.from_module: model is a torch.nn.Module; it was given {type(model).__name__}.")
    if type(model).forward is not torch.nn.Sequential.forward or has_hooks(model):
        return [(name or "the model", model)]
    return [leaf for i, f in model._modules.items() if f for leaf in leaves(f, f"{name}.{i}".lstrip("."))]
