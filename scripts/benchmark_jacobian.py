"""The Jacobian of an MLP, dx_L/dx_0: `Chain.jacobian` beside `torch.func.jacrev` and `jacfwd`.

    python scripts/benchmark_jacobian.py [--repeats 30]

Interleaved in one process, on one thread; CPU time, medians.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import torch
from benchmark_chain import network
from benchmarks.clock import medians

import chapter14

SIZES = [(4, 3, 2), (784, 256, 10), (1024, 1024, 1024, 10), (512, 512, 512, 512), (16, 512, 512, 512)]


def rows(repeats: int = 30, sizes: Sequence[Sequence[int]] = SIZES) -> list[dict]:
    """In seconds, {"case", "ours", "native", "jacrev", "jacfwd"}; native is the faster of the two."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*torch.jit.script")  # torch's own, at the first use of jacfwd
    found = []
    for layers in sizes:
        model = network(layers)
        chain, x = chapter14.Chain.from_module(model, torch.nn.functional.mse_loss), torch.randn(layers[0])
        theta = {name: p.detach() for name, p in model.named_parameters()}

        def f(x, model=model, theta=theta):
            return torch.func.functional_call(model, theta, (x,))

        steps = {how.__name__: partial(how(f), x) for how in (torch.func.jacrev, torch.func.jacfwd)}
        steps["ours"] = partial(chapter14.jacobian, chain, x)
        times = medians(steps, repeats, 20 if max(layers) < 100 else 1)
        native = min(times["jacrev"], times["jacfwd"])
        found.append({"case": "-".join(map(str, layers)), **times, "native": native})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="how often each is timed (default 30)")
    parser.add_argument("--quick", action="store_true", help="the smallest network only, once")
    options = parser.parse_args()
    print(f"{'network':<20} {'chain':>12} {'jacrev':>12} {'jacfwd':>12}   times as fast as jacrev, jacfwd")
    for row in rows(1, SIZES[:1]) if options.quick else rows(options.repeats):
        times = [row[name] for name in ("ours", "jacrev", "jacfwd")]
        ratios = "".join(f"{t / times[0]:8.1f}" for t in times[1:])
        print(f"{row['case']:<20} {' '.join(f'{1e6 * t:9.1f} µs' for t in times)} {ratios}", flush=True)


if __name__ == "__main__":
    main()
