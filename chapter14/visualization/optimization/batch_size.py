"""How many pictures at a time: as many as memory allows."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

MOST = {"cpu": 32}  # beyond it, a batch is no faster
SHARE = 0.3  # of the memory that is free: what is kept for the way back is not all that a step takes


def fitting(J: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """How many pictures [*x] at a time have room, by what one of them keeps for its way back through J."""
    kept: dict[int, int] = {}

    def count(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return t.detach()

    with saved_tensors_hooks(count, lambda t: t), torch.enable_grad():
        J(x.detach().requires_grad_())
    room = SHARE * _free(x.device) / max(sum(kept.values()), 1)
    return max(1, min(int(room), MOST.get(x.device.type, 256)))


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not a Linux
        return 4 * 2**30
