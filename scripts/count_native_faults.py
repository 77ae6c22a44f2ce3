"""PyTorch's own functions with wrong derivatives: the 14 mixed-mode orders, native and ours.

python scripts/count_native_faults.py [NAME ...]

An order is a nesting of forward (f) and reverse (r) mode: rf is reverse over forward. Both are compared with the same
function composed of plain operations, for each case of tests/table.py that has such a composite. In the other cases the
check `mixed_mode_orders` compares ours with native itself, and both agree in all 14.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tqdm import tqdm

from chapter14.checking.case import Case
from chapter14.checking.mixed_mode_orders import ORDERS, wrong_orders
from tests.table import CASES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="functions, such as layer_norm (default: all with a composite)"
    )
    names = parser.parse_args().names
    chosen = [
        case for case in CASES if case.native and case.composite and (not names or str(case).split(",")[0] in names)
    ]
    if not chosen:
        parser.error(f"tests/table.py has no case of {', '.join(names)} with a composite")
    rows = [(case, *both(case)) for case in tqdm(chosen, file=sys.stderr)]
    lacking = [row for row in rows if row[1] or row[2]]
    width = max((len(str(case)) for case, _, _ in lacking), default=8)
    print(f"{'orders wrong of 14':{width}}  {'native':>6} {'ours':>5}  native's")
    for case, native, ours in sorted(lacking, key=lambda row: -len(row[1])):
        print(f"{str(case):{width}}  {len(native):6} {len(ours):5}  {in_words(native)}")
    print(
        f"\nof {len(chosen)} cases, {sum(bool(native) for _, native, _ in rows)} have words that PyTorch gets wrong or "
        f"refuses, {sum(silent(native) for _, native, _ in rows)} of them silently; ours, "
        f"{sum(bool(ours) for _, _, ours in rows)}"
    )
    return 1 if any(ours for _, _, ours in rows) else 0


def both(case: Case) -> tuple[list[str], list[str]]:
    """The words that native gets wrong, and those that ours does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        native, ours = (
            wrong_orders(f, case.composite or case.reference, case.draw(2)) for f in (case.reference, case.ours)
        )
    return native, ours


def silent(words: list[str]) -> bool:
    """Whether one of them is a wrong number rather than an error."""
    return any("(" not in word for word in words)


def in_words(words: list[str]) -> str:
    """Those that are wrong numbers by name, and how many are refused."""
    wrong = [word for word in words if "(" not in word]
    refused = len(words) - len(wrong)
    parts = [f"wrong: {' '.join(wrong)}"] if wrong else []
    return "; ".join([*parts, *([f"{refused} of {len(ORDERS)} raise"] if refused else [])])


if __name__ == "__main__":
    sys.exit(main())
