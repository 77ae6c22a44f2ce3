"""Training of usual networks beside native PyTorch: time, plain and under torch.compile, and memory.

    python scripts/benchmark_training.py [NETWORK ...] [--repeats 15] [--step] [--no-compile] [--no-memory]
    python scripts/benchmark_training.py NETWORK ... --profile

Forward and backward pass of J, with the gradient of each parameter, by the converted and by the native network; with
--step, a step of SGD too. Both sides run interleaved in one process, on one thread; times are CPU time. A ratio is
the median over the repeats of ours divided by native's: above 1 is slower than PyTorch. Kept bytes are those that
autograd saves between the passes, without parameters; the peak is the resident memory of a process of its own,
beyond what it has once the network is built. With --profile, it is printed instead where the time goes, by kind of
layer; hooks measure that, which themselves take a few microseconds for each layer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from benchmarks.clock import Given, in_turns, times
from benchmarks.kinds import by_kind, table
from benchmarks.memory import resident
from benchmarks.trained import TRAINED, cost
from torch import Tensor, nn

import chapter14

COLUMNS = (
    "network",
    "eager",
    "compiled",
    "native",
    "native, compiled",
    "kept bytes",
    "of native's",
    "peak",
    "of native's",
)


def main() -> None:
    options = parsed()
    torch.set_num_threads(1)
    if options.peak:
        print(own_peak(*options.peak, options.small, options.step))
        return
    if options.profile:
        for name in options.networks or TRAINED:
            print(f"{TRAINED[name][0]}\n\n{profile(name, options)}\n", flush=True)
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for name in options.networks or TRAINED:
        print(f"| {' | '.join(row(name, options))} |", flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"which of {', '.join(TRAINED)}; by default all")
    parser.add_argument("--repeats", type=int, default=15, help="how often each is timed (default 15)")
    parser.add_argument("--step", action="store_true", help="with a step of SGD")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes minutes")
    parser.add_argument("--no-memory", action="store_true", help="leave out bytes")
    parser.add_argument("--profile", action="store_true", help="print the time by kind of layer, eager")
    parser.add_argument("--small", action="store_true", help="small networks, to test the script")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.networks if name not in TRAINED]:
        parser.error(f"there is no network {unknown[0]!r}; there are {', '.join(TRAINED)}")
    return options


def row(name: str, options: argparse.Namespace) -> list[str]:
    J, x, y = cost(name, options.small)
    both = {"native": J, "ours": chapter14.convert(J)}
    cells = [TRAINED[name][0]]
    plain = timed(both, x, y, options)
    fast = None
    if not options.no_compile:
        fast = timed({way: torch.compile(f) for way, f in both.items()}, x, y, options)
        torch.compiler.reset()
    cells += [ratio(plain), ratio(fast), milliseconds(plain), milliseconds(fast)]
    if options.no_memory:
        return [*cells, *["-"] * 4]
    kept = {way: chapter14.saved_bytes(f, x, y).total for way, f in both.items()}
    peak = {way: fresh_peak(way, name, options) for way in both}
    for n in (kept, peak):
        cells += [f"{n['ours'] / 1e6:.2f} MB", f"{n['ours'] / n['native']:.2f}"]
    return cells


def profile(name: str, options: argparse.Namespace) -> str:
    J, x, y = cost(name, options.small)
    return table(by_kind({"native": J, "ours": chapter14.convert(J)}, x, y, options.repeats))


def timed(both: dict[str, nn.Module], x: Tensor, y: Tensor, options: argparse.Namespace) -> dict[str, list[float]]:
    given = Given(turns=options.repeats, seconds=float("inf"))
    return in_turns({way: training(f, x, y, options.step) for way, f in both.items()}, given)


def training(f: nn.Module, x: Tensor, y: Tensor, step: bool) -> Callable[[], None]:
    optimizer = torch.optim.SGD(f.parameters(), lr=1e-3)

    def once() -> None:
        optimizer.zero_grad()
        f(x, y).backward()
        if step:
            optimizer.step()

    return once


def ratio(taken: dict[str, list[float]] | None) -> str:
    return "-" if taken is None else f"{statistics.median(times(taken['ours'], taken['native'])):.2f}"


def milliseconds(taken: dict[str, list[float]] | None) -> str:
    return "-" if taken is None else f"{1e3 * statistics.median(taken['native']):.3g} ms"


def fresh_peak(way: str, name: str, options: argparse.Namespace) -> int:
    """The peak of a separate process, in bytes."""
    how = ["--peak", way, name, *(["--small"] if options.small else []), *(["--step"] if options.step else [])]
    return int(subprocess.run([sys.executable, __file__, *how], capture_output=True, text=True, check=True).stdout)


def own_peak(way: str, name: str, small: bool, step: bool) -> int:
    def steps(small: bool) -> int:
        J, x, y = cost(name, small)
        before = resident("VmRSS")
        once = training(chapter14.convert(J, inplace=True) if way == "ours" else J, x, y, step)
        once(), once()
        return max(resident("VmHWM") - before, 1)

    steps(True)  # what is imported at the first call is not counted
    return steps(small)


if __name__ == "__main__":
    main()
