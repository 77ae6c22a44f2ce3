"""Time and memory beside PyTorch's, PyTorch tuned by hand, and a lower limit.

    python scripts/benchmark.py [memory | speed | place | neurons | chain | jacobian | loss ...] [--write]
    python scripts/benchmark.py speed --networks resnet18 --batch 1 8 32 --compile
    python scripts/benchmark.py --tables-only  # only writes the pages' tables from assets/benchmark.csv

    memory      saved bytes, and the peak memory of a separate process
    speed       forward pass, and backward pass to the pixels
    place       one position of a layer, and its receptive field
    neurons     many neurons of one image
    chain       Algorithm 14.1 against loss.backward() and an optimizer
    jacobian    the Jacobian of a network
    loss        linear and cross entropy of many classes

The variants of a row are interleaved in one process; a number is the median over repeats. --write puts the results into
assets/benchmark.csv, in place of earlier results of the same machine, and updates docs/benchmarks.md and the README.
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
OTHERS = "chain", "jacobian", "loss"  # the `rows()` of benchmark_chain.py and so on


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


def available(name: str) -> bool:
    return name in OWN or (ROOT / "scripts" / f"benchmark_{name}.py").exists()


def parsed() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join((*OWN, *OTHERS))}; by default all")
    parser.add_argument("--networks", nargs="+", default=(), help="networks of torchvision, or name:module")
    parser.add_argument("--batch", nargs="+", type=int, default=(1, 8), metavar="N", help="default 1 and 8")
    parser.add_argument("--size", type=int, default=224, help="size of the images (default 224)")
    parser.add_argument("--turns", type=int, default=7, help="repeats, at most (default 7)")
    parser.add_argument("--seconds", type=float, default=25, help="limit for a row (default 25)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too, which takes minutes")
    parser.add_argument("--quick", action="store_true", help="a small network and one repeat, to test the script")
    parser.add_argument("--write", action="store_true", help="write the results into the csv and the pages")
    parser.add_argument("--tables-only", action="store_true", help="only write the pages' tables from the csv")
    parser.add_argument("--csv", type=Path, default=ROOT / "assets" / "benchmark.csv", help="(default: %(default)s)")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md", help="(default: %(default)s)")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="(default: %(default)s)")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [name for name in options.tables if name not in (*OWN, *OTHERS)]:
        parser.error(f"there is no table {unknown[0]!r}: {', '.join((*OWN, *OTHERS))}.")
    return options


def main() -> None:
    options = parsed()
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
    for name in () if options.tables_only else options.tables or filter(available, (*OWN, *OTHERS)):
        its: list[results.Result] = []
        for found in rows_of(name, given):
            if not its or found.network != its[-1].network:
                print(f"{name}: {found.network} ...", file=sys.stderr, flush=True)
            its += results.stamped([found], given)
            if options.write:
                results.write(options.csv, results.joined(results.read(options.csv), its))
        print(tables.table(name, its), end="\n\n", flush=True)
    if options.write or options.tables_only:
        write_pages(results.read(options.csv), options.page, options.readme)


def write_pages(found: list[results.Result], page: Path, readme: Path) -> None:
    for path, marks, text in (
        (page, tables.TABLES, tables.text(found)),
        (readme, tables.SUMMARY, tables.summary(found)),
    ):
        results.replace(path, tables.placed(path.read_text(encoding="utf-8"), marks, text))


if __name__ == "__main__":
    main()
