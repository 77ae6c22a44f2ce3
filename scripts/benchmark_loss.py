"""`linear_cross_entropy` beside PyTorch's: time of both passes, with gradients of x, W and b, and peak memory.

    python scripts/benchmark_loss.py [--repeats 5]

V classes, N datapoints of D numbers. Native is `cross_entropy(linear(x, W, b), y)`; chunked is PyTorch's own
chunked `linear_cross_entropy`, where it has one. They run interleaved in one process, on one thread; times are CPU
time, medians. The peak is the memory of all tensors at once, besides x, W, b and y.
"""

from __future__ import annotations

import argparse
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import torch
from benchmarks.clock import medians
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import chapter14.functional as F

native = torch.nn.functional
#: V, N and D.
SIZES = [(50_000, 2048, 128), (50_000, 2048, 256), (50_000, 2048, 768), (1000, 256, 64)]


class Peak(TorchDispatchMode):
    """The peak of the bytes allocated since."""

    def __init__(self, *there: Tensor):
        super().__init__()
        self.there = {t.untyped_storage().data_ptr() for t in there}
        self.held: dict[int, int] = {}
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **kwargs or {})
        for t in made if isinstance(made, (tuple, list)) else [made]:
            memory = t.untyped_storage() if isinstance(t, Tensor) else None
            if memory is not None and memory._cdata not in self.held and memory.data_ptr() not in self.there:
                self.held[memory._cdata] = memory.nbytes()
                weakref.finalize(memory, self.held.pop, memory._cdata, None)
        self.bytes = max(self.bytes, sum(self.held.values()))
        return made


def losses(weight: Tensor | None) -> dict[str, Callable]:
    found = {
        "ours": lambda x, W, b, y: F.linear_cross_entropy(x, W, y, linear_bias=b, weight=weight),
        "native": lambda x, W, b, y: native.cross_entropy(native.linear(x, W, b), y, weight),
    }
    if hasattr(torch.nn, "LinearCrossEntropyOptions"):
        options = torch.nn.LinearCrossEntropyOptions()
        found["chunked"] = lambda x, W, b, y: native.linear_cross_entropy(
            x, W, y, linear_bias=b, weight=weight, options=options
        )
    return found


def rows(repeats: int = 5, sizes: Sequence[Sequence[int]] = SIZES) -> list[dict[str, Any]]:
    """Forward and back in seconds, {"case", "ours", "native", "chunked"}, and "bytes": of each the peak."""
    torch.set_num_threads(1)
    found = []
    for V, N, D in sizes:
        torch.manual_seed(14)
        x, W, b = torch.randn(N, D), torch.randn(V, D) / D**0.5, torch.zeros(V)
        y, theta = torch.randint(V, (N,)), [t.requires_grad_() for t in (x, W, b)]

        def there_and_back(loss: Callable, x: Tensor = x, W: Tensor = W, b: Tensor = b, y: Tensor = y) -> Callable:
            return lambda: torch.autograd.grad(loss(x, W, b, y), (x, W, b))

        steps = {name: there_and_back(loss) for name, loss in losses(None).items()}
        times = medians(steps, repeats)
        peaks = {}
        for name, step in steps.items():
            with Peak(*theta, y) as peak:
                step()
            peaks[name] = peak.bytes
        found.append({"case": f"V = {V}, N = {N}, D = {D}", **times, "bytes": peaks})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="how often each is timed (default 5)")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes only, once")
    options = parser.parse_args()
    for row in rows(1, SIZES[-1:]) if options.quick else rows(options.repeats):
        print(row["case"])
        for name, peak in row["bytes"].items():
            speed = row[name] / row["ours"]
            print(f"    {name:<8} {row[name]:8.3f} s, {speed:5.2f} of ours; peak {peak / 1e6:8.1f} MB", flush=True)


if __name__ == "__main__":
    main()
