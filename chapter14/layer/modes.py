"""PyTorch's modes: which of them are active, and so which form of a layer a call needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch._C._functorch as functorch
from torch import Tensor
from torch.autograd import forward_ad

from .accepted_tensors import PLAIN
from .recorder import AT_WORK, recorder

transformed = torch._C._are_functorch_transforms_active
autocasting = torch._C._is_any_autocast_enabled
without_autocast = torch._C._DisableAutocast
grad_enabled = torch.is_grad_enabled
compiling = torch.compiler.is_compiling
in_function_mode = torch._C._is_torch_function_mode_enabled


def is_eager(*inputs: Any) -> bool:
    """Whether nothing but autograd observes what is computed: no transform, compiler, forward mode or recorder."""
    observed = compiling() or transformed() or forward_ad._current_level >= 0 or (AT_WORK and recorder() is not None)
    return not observed and not any(isinstance(x, Tensor) and functorch.is_legacy_batchedtensor(x) for x in inputs)


def is_differentiated(gs: Sequence[Tensor]) -> bool:
    """Whether what a backward pass computes from g may itself be differentiated, traced or batched."""
    differentiated = grad_enabled() or forward_ad._current_level >= 0 or transformed()
    return differentiated or compiling() or any(map(functorch.is_legacy_batchedtensor, gs))


def mode_ignores_layers(inputs: Sequence[Any]) -> bool:
    """Whether the only torch function mode is one that ignores layers, and no input has a torch function of its own.

    Such a mode, `by_hand`, would be called for every operation and every shape inside the layer, and do nothing.
    """
    mode = torch._C._get_function_stack_at(0)
    alone = torch._C._len_torch_function_stack() == 1 and getattr(mode, "ignores_layers", False) and not AT_WORK
    return alone and all(type(x) in PLAIN or not isinstance(x, Tensor) for x in inputs)
