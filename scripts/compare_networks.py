"""Networks of other libraries, converted and compared with the originals: coverage, errors, saved bytes.

python scripts/compare_networks.py [NAME ...] [--full]

Errors are relative, |ours - native| / |native|, of the worst tensor, in float64, or in float32 where a network
requires it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tqdm import tqdm

from chapter14.checking.network_comparison import ComparedNetwork, NetworkComparison, compare_network
from chapter14.checking.networks import networks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all)")
    parser.add_argument("--full", action="store_true", help="full-size versions; takes hours")
    options = parser.parse_args()
    there = {network.name: network for network in networks(options.full)}
    if unknown := [name for name in options.names if name not in there]:
        parser.error(f"unknown network {unknown[0]!r}; known are: {', '.join(there)}")
    print(
        f"{'network':24} {'mode':8} {'parameters':>11} {'by hand':>8}"
        f" {'outputs':>8} {'gradients':>9} {'step':>8} {'MB ours':>8} {'native':>8}"
    )
    bad = 0
    chosen = [there[name] for name in options.names or there]
    for network, mode in tqdm([(n, mode) for n in chosen for mode in ("eval", "train")], file=sys.stderr):
        try:
            row = compare_network(network, mode == "train")
        except Exception as error:
            bad += 1
            tqdm.write(f"{network.name:24} {mode:8} {type(error).__name__}: {error}", file=sys.stdout)
            continue
        tqdm.write(f"{network.name:24} {mode:8} {in_words(row)}", file=sys.stdout)
        if not right(network, row):
            bad += 1
            native = ", ".join(f"{name} {n}" for name, n in row.audit.native.items())
            tqdm.write(f"    WRONG: {f'native: {native}' if native else 'too far from native'}", file=sys.stdout)
    print(f"\n{len(chosen)} networks, each in both modes; {bad} wrong")
    return 1 if bad else 0


def right(network: ComparedNetwork, row: NetworkComparison) -> bool:
    return row.audit.fraction == 1 and row.worst <= network.bound


def in_words(row: NetworkComparison) -> str:
    errors = f"{row.outputs:8.0e} {row.gradients:9.0e} {row.step:8.0e}"
    saved = f"{row.saved / 1e6:8.1f} {row.saved_natively / 1e6:8.1f}"
    return f"{row.parameters:11,} {row.audit.fraction:8.0%} {errors} {saved}"


if __name__ == "__main__":
    sys.exit(main())
