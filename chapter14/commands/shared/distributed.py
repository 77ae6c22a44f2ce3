"""One command in several processes, started by torchrun: each draws its share of the pictures."""

from __future__ import annotations

import os


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def barrier() -> None:
    """Waits until every process has reached it."""
    if world_size() > 1:
        from torch import distributed

        distributed.init_process_group("gloo")
        distributed.barrier()
        distributed.destroy_process_group()
