"""Which torch functions write into a tensor, draw random numbers, or let Python read a tensor's values."""

from __future__ import annotations

import operator
from typing import Any

from torch import Tensor

#: They give Python a tensor's values.
READS = frozenset(
    "item tolist numpy __bool__ __int__ __float__ __index__ __complex__ equal allclose is_nonzero".split()
)
#: Functions, methods and attributes that read or change autograd's state.
AUTOGRAD = frozenset(
    "register_hook register_post_accumulate_grad_hook retain_grad backward grad grad_fn is_leaf _base _version "
    "_backward_hooks retains_grad".split()
)
#: The shape of their output depends on a tensor's values.
SHAPES = frozenset("nonzero argwhere unique unique_consecutive masked_select bincount".split())
_DRAWS = frozenset(
    "bernoulli binomial cauchy exponential geometric log_normal multinomial normal poisson rand rand_like randint "
    "randint_like randn randn_like random randperm uniform".split()
)
#: Functions, methods and attributes whose result does not depend on a tensor's values.
DESCRIBES = frozenset(
    "broadcast_shapes can_cast device dim dtype element_size get_device is_complex is_contiguous is_cpu is_cuda "
    "is_floating_point is_meta is_mkldnn is_mps is_nested is_quantized is_same_size is_signed is_sparse "
    "is_tensor is_xpu itemsize layout name names nbytes ndim ndimension nelement numel promote_types requires_grad "
    "result_type shape size storage_offset stride type __len__ is_inference is_conj is_neg is_ipu is_xla "
    "is_maia is_mtia is_sparse_csr is_vulkan has_names dim_order is_distributed is_shared is_pinned".split()
)


def draws(name: str) -> bool:
    return name.removesuffix("_") in _DRAWS


def writes(name: str) -> bool:
    """Whether its first argument is written into: `x[i] = y`, `x += y`, `x.add_(y)`."""
    if name.startswith("__"):
        return name == "__setitem__" or (name.startswith("__i") and name not in ("__invert__", "__index__", "__int__"))
    return name.endswith("_")


def as_fx_calls(f: Any, name: str, args: tuple) -> tuple[Any, tuple]:
    """f and its arguments in a form that fx can print: a method as its name, a property as `getattr`."""
    if name == "__get__":
        return getattr, (args[0], getattr(f.__self__, "__name__", ""))
    if name == "__getitem__":
        return operator.getitem, args
    if name == "__setitem__":
        return operator.setitem, args
    return (name if getattr(Tensor, name, None) is f else f), args
