"""The speed-up of a `Chain` over `loss.backward()` with `torch.optim`, on small networks.

    python scripts/benchmark_chain.py [--repeats 30]

Both train the same network on the same data, interleaved in one process, on one thread. Times are CPU time, the median
of a training step: forward, backward, update. Native is `torch.optim` with default options, and with `fused=True`. The
loss of 4-3-2 is squared error, that of the classifiers cross entropy.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy's too
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from benchmarks.clock import medians

from chapter14.graph import rule
from chapter14.graph.chain import Chain

ETA = 1e-4
NETWORKS = [(4, 3, 2), (784, 256, 10), (1024, 1024, 1024, 10)]
RULES = {
    "SGD": (torch.optim.SGD, rule.SGD, {"lr": ETA}),
    "momentum": (torch.optim.SGD, rule.SGD, {"lr": ETA, "momentum": 0.9}),
    "Adam": (torch.optim.Adam, rule.Adam, {"lr": ETA}),
}


def network(sizes: Sequence[int]) -> torch.nn.Sequential:
    torch.manual_seed(14)
    layers: list[torch.nn.Module] = []
    for N, M in zip(sizes, sizes[1:], strict=False):
        layers += [torch.nn.Linear(N, M), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def native_step(model: torch.nn.Module, loss: Callable, optimizer: torch.optim.Optimizer) -> Callable:
    def step(x, y):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return step


def chain_step(model: torch.nn.Module, loss: Callable, how: rule.Rule) -> Callable:
    chain = Chain.from_module(model, loss)

    def step(x, y):
        chain.forward(x, y)
        chain.descend(how)

    return step


def on_next(step: Callable, data: Sequence) -> Callable[[], None]:
    """Calls `step` with the next data, around and around."""
    ahead = itertools.cycle(data)
    return lambda: step(*next(ahead))


def rows(
    repeats: int = 30, networks: Sequence[Sequence[int]] = NETWORKS, batches: Sequence[int] = (1, 64)
) -> list[dict]:
    """A training step of each network, batch and rule, in seconds: {"case", "ours", "native", "fused"}."""
    torch.set_num_threads(1)
    found = []
    for sizes in networks:
        squares = len(sizes) == 3 and sizes[-1] < 10
        loss = torch.nn.functional.mse_loss if squares else torch.nn.functional.cross_entropy
        for B in batches:
            n = min(100, 2_000_000 // (B * sizes[0] * sizes[1]) + 2)
            y = [torch.randn(B, sizes[-1]) if squares else torch.randint(sizes[-1], (B,)) for _ in range(n)]
            data = [(torch.randn(B, sizes[0]), y_i) for y_i in y]
            for name, (native, ours, how) in RULES.items():
                models = [network(sizes) for _ in range(3)]
                steps = {
                    "ours": chain_step(models[0], loss, ours(**how)),
                    "native": native_step(models[1], loss, native(models[1].parameters(), **how)),
                    "fused": native_step(models[2], loss, native(models[2].parameters(), fused=True, **how)),
                }
                times = medians({way: on_next(step, data) for way, step in steps.items()}, repeats, n)
                found.append({"case": f"{'-'.join(map(str, sizes))}, batch {B}, {name}", **times})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="how often each runs through its data (default 30)")
    parser.add_argument("--quick", action="store_true", help="the smallest network only, once")
    options = parser.parse_args()
    small = {"repeats": 1, "networks": NETWORKS[:1]} if options.quick else {"repeats": options.repeats}
    print(f"{'a step of':<40} {'chain':>11} {'native':>11} {'fused':>11}   times as fast as native, as fused")
    for row in rows(**small):
        times = [row[name] for name in ("ours", "native", "fused")]
        ratios = "".join(f"{t / times[0]:8.2f}" for t in times[1:])
        print(f"{row['case']:<40} {' '.join(f'{1e6 * t:8.1f} µs' for t in times)} {ratios}", flush=True)


if __name__ == "__main__":
    main()
