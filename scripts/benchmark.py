"""What is saved, beside PyTorch's own, PyTorch at its best, and what no program can go below.

    python scripts/benchmark.py [memory | speed | place | neurons | chain | jacobian | loss ...] [--write]
    python scripts/benchmark.py speed --networks resnet18 --batch 1 8 32 --compile
    python scripts/benchmark.py --readme       # only writes the README's tables from assets/benchmark.csv

    memory      bytes kept for the way back, and the peak of a process of its own
    speed       forward and back to the pixels
    place       one place of a layer, and what it sees
    neurons     many neurons of one picture
    chain       Algorithm 14.1 against loss.backward() and an optimizer
    jacobian    L itself
    loss        losses of many classes

All ways of a row run in turns in one process; a number is the median of the turns. --write puts what was measured into
assets/benchmark.csv, in the place of what the same machine said before, and the README's tables there come from it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from benchmarks import memory, neurons, results, speed, tables
from benchmarks.clock import Given, Row, row
from benchmarks.networks import SMALL

ROOT = Path(__file__).parents[1]
OWN = {"memory": memory.rows, "speed": speed.rows, "place": neurons.places, "neurons": neurons.neurons}
OTHERS = "chain", "jacobian", "loss"  # each a script too, benchmark_chain.py and so on: its `rows()`


def rows_of(name: str, given: Given) -> Iterator[Row]:
    if name in OWN:
        yield from OWN[name](given)
        return
    for line in importlib.import_module(f"benchmark_{name}").rows():
        case, peaks = line.pop("case"), line.pop("bytes", {})
        for way, seconds in line.items():
            yield row(name, case, None, way, seconds, "s")
        for way, n in peaks.items():
            yield row(name, case, None, f"{way}, peak", n, "B")
        if peaks:
            yield row(name, case, None, "peak, times less", peaks["native"] / peaks["ours"], "x")
        yield row(name, case, None, "times as fast", line["native"] / line["ours"], "x")


def there(name: str) -> bool:
    return name in OWN or (ROOT / "scripts" / f"benchmark_{name}.py").exists()


def asked() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join((*OWN, *OTHERS))}; by default all")
    parser.add_argument("--networks", nargs="+", default=(), help="of torchvision, or name:module")
    parser.add_argument("--batch", nargs="+", type=int, default=(1, 8), metavar="N", help="default 1 and 8")
    parser.add_argument("--size", type=int, default=224, help="of the pictures (default 224)")
    parser.add_argument("--turns", type=int, default=7, help="at most (default 7)")
    parser.add_argument("--seconds", type=float, default=25, help="for a row, but three turns at least (default 25)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, which takes minutes")
    parser.add_argument("--quick", action="store_true", help="a small network, one turn: to see that it runs")
    parser.add_argument("--write", action="store_true", help="into the csv and the README")
    parser.add_argument("--readme", action="store_true", help="the README's tables from the csv, and nothing else")
    parser.add_argument("--csv", type=Path, default=ROOT / "assets" / "benchmark.csv", help="(default: %(default)s)")
    parser.add_argument("--page", type=Path, default=ROOT / "README.md", help="(default: %(default)s)")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.tables if name not in (*OWN, *OTHERS)]:
        parser.error(f"there is no table {unknown[0]!r}: {', '.join((*OWN, *OTHERS))}.")
    return options


def main() -> None:
    options = asked()
    torch.set_num_threads(options.threads)
    given = Given(
        tuple(options.networks),
        tuple(options.batch),
        options.size,
        options.device,
        options.threads,
        options.turns,
        options.seconds,
        options.compile,
    )
    if options.quick:
        given = Given((SMALL,), (1, 2), 32, options.device, options.threads, turns=1)
    if options.peak:
        way, name, batch = options.peak
        memory.own_peak(given, way, name, int(batch))
        return
    measured: list[results.Result] = []
    for name in () if options.readme else options.tables or filter(there, (*OWN, *OTHERS)):
        its: list[results.Result] = []
        for found in rows_of(name, given):
            if not its or found.network != its[-1].network:
                print(f"{name}: {found.network} ...", file=sys.stderr, flush=True)
            its += results.stamped([found], given)
            if options.write:
                results.write(options.csv, results.joined(results.read(options.csv), its))
        print(tables.table(name, its), end="\n\n", flush=True)
        measured += its
    if short := list(tables.fell_short(measured)):
        print("What fell short:", *short, sep="\n- ")
    if options.write or options.readme:
        page = options.page.read_text(encoding="utf-8")
        results.replace(options.page, tables.placed(page, results.read(options.csv)))


if __name__ == "__main__":
    main()
