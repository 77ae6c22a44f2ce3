"""deepcopy of a model, including what `copy.deepcopy` refuses or changes."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode


def copied(model: nn.Module, shared: bool = False, memo: dict[int, Any] | None = None) -> nn.Module:
    """A deepcopy that also takes tensors that are not leaves of the graph (it copies their values), and fx modules.

    The deepcopy of an fx.GraphModule itself drops hooks and modules that the graph does not call, and sets training.

    Args:
        shared: the tensors of the copy share the model's memory, and do not require gradients.
        memo: that of `copy.deepcopy`.
    """
    memo = {} if memo is None else memo
    if shared:
        memo |= {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    traced = [module for module in model.modules() if isinstance(module, fx.GraphModule)]
    for module in traced:
        memo[id(module)] = type(module).__new__(type(module))  # each has its own class
        type(memo[id(module)]).__name__ = type(module).__name__
    with _Copying(shared):
        made = copy.deepcopy(model, memo)
        for module in traced:
            vars(memo[id(module)]).update(copy.deepcopy(vars(module), memo))
            memo[id(module)].graph = memo[id(module)]._graph
    return made


class _Copying(TorchFunctionMode):
    """Replaces `Tensor.__deepcopy__`, wherever the tensor is held. Parameters have a `__deepcopy__` of their own."""

    def __init__(self, shared: bool):
        super().__init__()
        self.shared = shared

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        x = args[0] if func is Tensor.__deepcopy__ else None
        if isinstance(x, nn.UninitializedBuffer):  # which does not support it
            return type(x)(x.requires_grad, x.device, x.dtype, x.persistent)  # type: ignore[call-arg, arg-type]
        if x is not None and (self.shared or not x.is_leaf):
            return x.detach() if self.shared else x.detach().clone()
        return func(*args, **(kwargs or {}))
