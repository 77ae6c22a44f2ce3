"""The table of docs/equations.md: each equation, its code (chapter14/lesson/equations.py), and its test.

python scripts/equations.py [--out docs/equations.md]
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chapter14.lesson.equations import CODE

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "equations.md"
TESTS = ROOT / "tests" / "test_chapter.py"
HEAD = "| equation | code | test |\n|---|---|---|\n"


def table() -> str:
    """Its rows, in the chapter's order."""
    tests = re.findall(r"^def (test_(14_\d+|algorithm_14_1)\w*)\(", TESTS.read_text(encoding="utf-8"), re.M)
    by_equation = {number.removeprefix("14_").lstrip("0"): test for test, number in tests}
    rows = []
    for equation, (file, name) in CODE.items():
        number = equation.removeprefix("14.")
        shown, key = (f"({equation})", number) if number.isdigit() else (equation, "algorithm_14_1")
        rows.append(f"| {shown} | `{file} {name}` | `{by_equation[key]}` |\n")
    return HEAD + "".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=PAGE, help="the page with its new table (%(default)s)")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    before, _, after = page.partition(HEAD)
    options.out.write_text(before + table() + "\n" + after.partition("\n\n")[2], encoding="utf-8")


if __name__ == "__main__":
    main()
