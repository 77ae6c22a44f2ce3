"""Products of matrices in plain torch operations, by oneDNN where that is faster than PyTorch's choice, MKL.

On an AMD processor with AVX-512, oneDNN is twice as fast. These are for backward passes, and for what no kernel of
PyTorch computes in one piece: the forward pass of a linear layer is PyTorch's, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as native

from ...layer.accepted_tensors import PLAIN

_HAS_ONEDNN = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"

#: Products of entries below which the longer call costs more than the kernel saves.
_SMALL = 2**20


def mm(a: Tensor, b: Tensor) -> Tensor:
    """a [M, K], b [K, N] → [M, N], as `torch.mm`."""
    if a.numel() * b.shape[1] < _SMALL or not _suits(a, b) or not (b.is_contiguous() or b.t().is_contiguous()):
        return torch.mm(a, b)
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")


def repeated(W: Tensor, b: Tensor | None, B: int, T: int) -> Callable[[Tensor], Tensor]:
    """x [B, N] → W x + b, to be called T times: W is rearranged once into the blocks in which oneDNN reads it."""
    if T < 16 or B * W.numel() < _SMALL or not _suits(W):
        return lambda x: native.linear(x, W, b)
    multiply, blocks = torch.ops.mkldnn._linear_pointwise, torch.ops.mkldnn._reorder_linear_weight(W.detach(), B)
    return lambda x: multiply(x, blocks, b, "none", [], "")


def _suits(*tensors: Tensor) -> bool:
    """Whether oneDNN takes them, and no mode observes what is computed."""
    if not _HAS_ONEDNN or not torch.backends.mkldnn.enabled or torch._C._len_torch_dispatch_stack():
        return False
    return all(type(t) in PLAIN and t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors)
