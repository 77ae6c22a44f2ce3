"""Time, taken in turns, and rows of numbers.

Each way is run once a turn, so that whatever else the machine does hits all of them. On one thread the time is what the
processor spent on it; on several, and on a GPU, what passed until all was done.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Given:
    """What the command line asks for."""

    networks: tuple[str, ...] = ()  # of these alone; none: of the table's own
    batches: tuple[int, ...] = (1, 8)
    size: int = 224
    device: str = "cpu"
    threads: int = 1
    turns: int = 7
    seconds: float = 25.0  # after which a row takes no more turns, once it has three
    compile: bool = False

    def pixels(self, batch: int) -> Tensor:
        drawn = torch.randn(batch, 3, self.size, self.size, generator=torch.Generator().manual_seed(14))
        return drawn.to(self.device)


class Row(NamedTuple):
    """One number: the median of the turns, the least and the most."""

    table: str
    network: str
    batch: int | None
    measure: str
    value: float
    low: float
    high: float
    unit: str


def row(table: str, network: str, batch: int | None, measure: str, values: Sequence[float] | float, unit: str) -> Row:
    several = values if isinstance(values, Sequence) else [values]
    return Row(table, network, batch, measure, statistics.median(several), min(several), max(several), unit)


def in_turns(steps: dict[str, Callable[[], Any]], given: Given) -> dict[str, list[float]]:
    """Seconds of each way, turn by turn."""
    taken: dict[str, list[float]] = {way: [] for way in steps}
    begin = time.monotonic()
    for turn in range(given.turns + 1):  # the first is for warming up
        if turn > 3 and time.monotonic() - begin > given.seconds:
            break
        for way, step in steps.items():
            start = now(given)
            step()
            if turn:
                taken[way].append(now(given) - start)
    return taken


def times(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """How many times as fast, turn by turn."""
    return [a / b for a, b in zip(slow, fast, strict=True)]


def best(taken: dict[str, list[float]], *ways: str) -> str:
    """Which of these ways is the fastest."""
    return min((way for way in ways if way in taken), key=lambda way: statistics.median(taken[way]))


def now(given: Given) -> float:
    """The time, when all that was asked for is done."""
    if given.device != "cpu":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.thread_time() if given.threads == 1 else time.perf_counter()
