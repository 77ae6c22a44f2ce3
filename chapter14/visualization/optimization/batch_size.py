"""How many pictures are drawn at a time: as many as fit into memory."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

MAX_BATCH = {"cpu": 32}  # a larger batch is no faster
SHARE = 0.3  # of the free memory: a step needs more than its saved tensors


def largest_batch(J: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """The number of pictures [*x] that fit into memory, by the tensors that one of them saves for the backward pass."""
    saved: dict[int, int] = {}

    def count(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return t.detach()

    with saved_tensors_hooks(count, lambda t: t), torch.enable_grad():
        J(x.detach().requires_grad_())
    room = SHARE * _free_memory(x.device) / max(sum(saved.values()), 1)
    return max(1, min(int(room), MAX_BATCH.get(x.device.type, 256)))


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not on Linux
        return 4 * 2**30
