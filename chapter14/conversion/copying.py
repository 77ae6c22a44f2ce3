"""A deepcopy of a model, of what deepcopy refuses or changes as well."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode


def copied(model: nn.Module, shared: bool = False, memo: dict[int, Any] | None = None) -> nn.Module:
    """A deepcopy, of what deepcopy refuses as well: of a tensor that was computed, its value, wherever it is held.

    And what fx traced stays as it is: its own deepcopy drops hooks and whatever its graph does not call, and trains.

    Args:
        shared: the tensors of the copy share the memory of the model's, and want no gradient.
        memo: as deepcopy takes it.
    """
    memo = {} if memo is None else memo
    if shared:
        memo |= {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    traced = [module for module in model.modules() if isinstance(module, fx.GraphModule)]
    for module in traced:
        memo[id(module)] = type(module).__new__(type(module))  # each is of a class of its own
        type(memo[id(module)]).__name__ = type(module).__name__
    with _Copying(shared):
        made = copy.deepcopy(model, memo)
        for module in traced:
            vars(memo[id(module)]).update(copy.deepcopy(vars(module), memo))
            memo[id(module)].graph = memo[id(module)]._graph
    return made


class _Copying(TorchFunctionMode):
    """deepcopy asks each tensor, wherever it is held, for a copy of itself; a parameter answers for itself."""

    def __init__(self, shared: bool):
        super().__init__()
        self.shared = shared

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        x = args[0] if func is Tensor.__deepcopy__ else None
        if isinstance(x, nn.UninitializedBuffer):  # which refuses even that
            return type(x)(x.requires_grad, x.device, x.dtype, x.persistent)  # type: ignore[call-arg, arg-type]
        if x is not None and (self.shared or not x.is_leaf):
            return x.detach() if self.shared else x.detach().clone()
        return func(*args, **(kwargs or {}))
