"""Interleaved timing, and rows of numbers.

Each variant runs once per repeat, so that other work on the machine affects all of them. On one thread, times are CPU
time; on several threads and on a GPU, wall-clock time.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Given:
    """The options of the command line."""

    networks: tuple[str, ...] = ()  # empty: those of the table
    batches: tuple[int, ...] = (1, 8)
    size: int = 224
    device: str = "cpu"
    threads: int = 1
    turns: int = 7
    seconds: float = 25.0  # the limit for a row, after three repeats
    compile: bool = False

    def pixels(self, batch: int) -> Tensor:
        drawn = torch.randn(batch, 3, self.size, self.size, generator=torch.Generator().manual_seed(14))
        return drawn.to(self.device)


class Row(NamedTuple):
    """One number: median, minimum and maximum over the repeats."""

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


def in_turns(steps: dict[str, Callable[[], Any]], given: Given, calls: int = 1) -> dict[str, list[float]]:
    """The seconds of a call of each variant, repeat by repeat."""
    taken: dict[str, list[float]] = {way: [] for way in steps}
    begin = time.monotonic()
    for turn in range(given.turns + 1):  # the first is a warm-up
        if turn > 3 and time.monotonic() - begin > given.seconds:
            break
        for way, step in steps.items():
            start = now(given)
            for _ in range(calls):
                step()
            if turn:
                taken[way].append((now(given) - start) / calls)
    return taken


def medians(steps: dict[str, Callable[[], Any]], repeats: int, calls: int = 1) -> dict[str, float]:
    """The median seconds of a call of each variant, on one thread."""
    taken = in_turns(steps, Given(turns=repeats, seconds=math.inf), calls)
    return {way: statistics.median(seconds) for way, seconds in taken.items()}


def times(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """The speed-up, repeat by repeat."""
    return [a / b for a, b in zip(slow, fast, strict=True)]


def best(taken: dict[str, list[float]], *ways: str) -> str:
    """The fastest of these variants."""
    return min((way for way in ways if way in taken), key=lambda way: statistics.median(taken[way]))


def now(given: Given) -> float:
    """The time, after all queued work is done."""
    if given.device != "cpu":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time() if given.threads == 1 else time.perf_counter()
