"""How much faster a chain trains than `loss.backward()` with `torch.optim.SGD`, on small networks.

    python scripts/benchmark_chain.py [--repeats 30]

Both train the same network on the same data, one thread, in turns in one process, so that whatever else the machine
does hits both. The times are medians of a training step: forward, backward, update.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

import chapter14.functional as F
import chapter14.nn as nn
from chapter14.graph.chain import Chain

ETA = 1e-4
NETWORKS = [((4, 3, 2), 1), ((4, 3, 2), 64), ((784, 256, 10), 1), ((784, 256, 10), 64)]


def native_step(sizes: tuple[int, int, int]) -> Callable:
    N, hidden, M = sizes
    model = torch.nn.Sequential(torch.nn.Linear(N, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, M))
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)

    def step(x, y):
        optimizer.zero_grad()
        J = torch.nn.functional.mse_loss(model(x), y)
        J.backward()
        optimizer.step()

    return step


def chain_step(sizes: tuple[int, int, int], fused: bool) -> Callable:
    N, hidden, M = sizes
    chain = Chain([nn.Linear(N, hidden), nn.ReLU(), nn.Linear(hidden, M)], F.l2_loss)

    def step(x, y):
        chain.forward(x, y)
        if fused:
            chain.descend(ETA)
        else:
            chain.backward()
            chain.update(ETA)

    return step


def in_turns(steps: list[Callable], data: list, repeats: int) -> list[float]:
    """The median time of each step, in seconds."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats + 1):
        for step, taken in zip(steps, times, strict=True):
            start = time.perf_counter()
            for x, y in data:
                step(x, y)
            taken.append((time.perf_counter() - start) / len(data))
    return [statistics.median(taken[1:]) for taken in times]  # the first is for warming up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=30, help="how often each runs through its data (default 30)")
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    torch.manual_seed(14)
    print(f"{'network':>12} {'batch':>5} {'native':>11} {'update':>19} {'descend':>19}")
    for sizes, B in NETWORKS:
        N, _, M = sizes
        data = [(torch.randn(B, N), torch.randn(B, M)) for _ in range(10 if N * B > 10_000 else 100)]
        steps = [native_step(sizes), chain_step(sizes, fused=False), chain_step(sizes, fused=True)]
        native, update, descend = in_turns(steps, data, repeats)
        ours = " ".join(f"{1e6 * t:8.1f} µs {native / t:6.2f}x" for t in (update, descend))
        print(f"{'-'.join(map(str, sizes)):>12} {B:5d} {1e6 * native:8.1f} µs {ours}", flush=True)


if __name__ == "__main__":
    main()
