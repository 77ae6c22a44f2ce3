"""Networks of timm and transformers that nobody tuned: the time of the converted one, and of the same traced.

    python scripts/benchmark_strangers.py [NETWORK ...] [--usual] [--repeats 9]

Thirty networks of each library, in small configurations and on small inputs, where the cost of a call is what
counts; --usual measures some of them in their usual size. Each computes its outputs and, from their sum, the gradient
of each parameter. All run interleaved in one process, on one thread; times are CPU time. A ratio is the median over the
repeats, to native: above 1 is slower than PyTorch. A network that `trace` refuses is left out of its quartiles, and a
library that is not installed out of all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from benchmarks.clock import Given, in_turns, times
from benchmarks.strangers import LIBRARIES, Stranger, strangers
from torch import Tensor, nn

import chapter14

WAYS = "converted", "traced"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="which ones; by default all")
    parser.add_argument("--usual", action="store_true", help="a sample, in the usual size")
    parser.add_argument("--repeats", type=int, default=9, help="how often each is timed (default 9)")
    options = parser.parse_args()
    there = {stranger.name: stranger for stranger in strangers(options.usual)}
    if unknown := [name for name in options.networks if name not in there]:
        parser.error(f"there is no network {unknown[0]!r}; there are {', '.join(there)}")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"| network | {' | '.join(WAYS)} | native | by hand |\n|---|---|---|---|---|")
    found: dict[str, dict[str, list[tuple[float, str]]]] = {way: {each: [] for each in LIBRARIES} for way in WAYS}
    for name in options.networks or there:
        ratios, seconds, fraction = measured(there[name], options.repeats)
        for way, ratio in ratios.items():
            found[way][there[name].library].append((ratio, name))
        cells = " | ".join(f"{ratios[way]:.2f}" if way in ratios else "refused" for way in WAYS)
        print(f"| {name} | {cells} | {1e3 * seconds:.3g} ms | {fraction:.0%} |", flush=True)
    print(
        "\n| | library | networks | lower quartile | median | upper quartile | worst |\n|---|---|---|---|---|---|---|"
    )
    for way, of_library in found.items():
        for library, ratios_of in {**of_library, "both": sum(of_library.values(), [])}.items():
            if ratios_of:
                print(f"| {way} | {library} | {len(ratios_of)} | {summary(ratios_of)} |")


def measured(stranger: Stranger, repeats: int) -> tuple[dict[str, float], float, float]:
    """The ratios, native's seconds, and the fraction of the backward graph that is by hand."""
    torch.manual_seed(14)
    model = stranger.make().train()
    inputs = stranger.inputs()
    converted = chapter14.convert(model)
    fraction = chapter14.audit(converted(**inputs)).fraction
    variants = {"native": model, "converted": converted, "traced": chapter14.trace(chapter14.convert(model))}
    try:
        step(variants["traced"], inputs)
    except TypeError:  # it is not all by hand, or its operations depend on its data
        del variants["traced"]
    taken = in_turns({way: lambda f=f: step(f, inputs) for way, f in variants.items()}, Given(turns=repeats))
    ratios = {way: statistics.median(times(taken[way], taken["native"])) for way in WAYS if way in taken}
    return ratios, statistics.median(taken["native"]), fraction


def step(f: nn.Module, inputs: dict[str, Tensor]) -> None:
    f.zero_grad()
    f(**inputs).backward()


def summary(ratios: Sequence[tuple[float, str]]) -> str:
    numbers = [ratio for ratio, _ in ratios]
    quartiles = statistics.quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    worst, name = max(ratios)
    return " | ".join([*(f"{q:.2f}" for q in quartiles), f"{worst:.2f}, {name}"])


if __name__ == "__main__":
    main()
