"""Runs the checks on the custom Functions of public libraries, as they are, and writes docs/survey.md.

    pip install --no-deps entmax sparsemax gpytorch linear-operator memcnn revtorch torchdiffeq kornia e3nn diffsort \\
        difftopk geomloss normflows snntorch norse spikingjelly brevitas compressai pytorch-revgrad optimum-quanto
    pip install nir nirtorch loguru kornia-rs opt-einsum-fx einops pandas torch-geometric pytorch-msssim dependencies \\
        unfoldNd scipy scikit-learn
    python scripts/survey_functions.py [--those entmax kornia] [--out docs/survey.md]

They go into one environment without their requirements, of which some exclude others; the second line has what they
import. A library that is missing is skipped, with the reason. The Functions and their inputs are in survey/entries.py;
what was found, as code that prints it, in survey/findings.py.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pkgutil
import sys
import textwrap
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import torch
from survey.entries import ENTRIES, Entry
from survey.findings import FINDINGS, Finding

from chapter14.checking.checks import CHECKS
from chapter14.checking.report import RIGHT, UNSUPPORTED, WRONG, Report, verdict
from chapter14.checking.subject import make_case

HEADER = """\
| library | Function | its backward | right | wrong | unsupported | diagnosis |
|---|---|---|---|---|---|---|"""

INTRODUCTION = """\
# Public Functions, checked

[`chapter14 check`](check.md) on the custom `torch.autograd.Function`s of public libraries, as they are installed. This
page is what `python scripts/survey_functions.py` prints with torch {torch}: {functions} Functions of {libraries}
libraries. Of these, {right} are right, and {wrong} have a check that fails; one with two sets of inputs counts twice.
Most failures are of the second derivative, which is wrong without an error.

The columns count the checks with that result; those that do not apply are left out. A backward pass is compared with
the derivative, unless it is declared to be none on purpose; all else is checked then, too. Without a reference in plain
PyTorch, finite differences decide. The diagnosis is of the checks that fail for a reason of their own.
"""


@dataclass(frozen=True)
class Row:
    """A row of the table: an entry with its report, or with the reason why it is skipped."""

    entry: Entry
    version: str
    report: Report | None
    skipped: str = ""

    def __str__(self) -> str:
        if self.report is None:
            cells, diagnosis = ["-"] * 3, f"skipped: {self.skipped}"
        else:
            results = Counter(v.result for v in self.report.verdicts)
            cells = [str(results[result]) for result in (RIGHT, WRONG, UNSUPPORTED)]
            diagnosis = "; ".join(f"{v.reason} ({v.check})" for v in self.report.causes)
        head = f"{self.entry.library} {self.version}".strip(), self.entry.name, self.entry.on_purpose or "derivative"
        return " | ".join(["", *(cell.replace("|", "\\|") for cell in (*head, *cells, diagnosis)), ""]).strip()


def survey(entries: Sequence[Entry]) -> Iterator[Row]:
    """Checks one entry after the other."""
    for entry in entries:
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what libraries print when they are imported
                function = pkgutil.resolve_name(entry.where)
        except (ImportError, AttributeError) as error:
            yield Row(entry, "", None, f"{type(error).__name__}: {error}")
            continue
        torch.manual_seed(14)
        f = entry.call(function) if entry.call else function
        case = make_case(f, entry.inputs, entry.like, entry.on_purpose)
        yield Row(entry, metadata.version(entry.library), Report([verdict(case, check) for check in CHECKS]))


def lacking(rows: Sequence[Row]) -> str:
    """What is unsupported, and of how many Functions."""
    reports = [row.report for row in rows if row.report]
    counts = Counter(
        (v.check, v.reason.partition(":")[0]) for r in reports for v in r.verdicts if v.result == UNSUPPORTED
    )
    lines = [f"- {reason} ({check}): {n}" for (check, reason), n in counts.most_common() if n > 1]
    return "\n".join(["## What is unsupported", "", f"Of {len(reports)} Functions:", "", *lines])


def printed(finding: Finding) -> str:
    """What the code of a finding prints, and what it raises in the place of that."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(finding.code, finding.title, "exec"), {})
        except ImportError as error:
            said.write(f"skipped: {error}")
    return said.getvalue().strip()


def section(finding: Finding) -> str:
    """A finding on the page: words, code, and what it prints."""
    said = "\n".join(line.rstrip() for line in printed(finding).splitlines())
    words = textwrap.fill(finding.words, 120, break_on_hyphens=False)
    return f"### {finding.title}\n\n{words}\n\n```py\n{finding.code}\n```\n\n```text\n{said}\n```"


def page(entries: Sequence[Entry], findings: Sequence[Finding]) -> str:
    rows = []
    for row in survey(entries):
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
    checked = [row for row in rows if row.report]
    introduction = INTRODUCTION.format(
        torch=".".join(torch.__version__.split(".")[:2]),
        functions=len(checked),
        libraries=len({row.entry.library for row in checked}),
        right=sum(not row.report.wrong for row in checked if row.report),
        wrong=sum(bool(row.report.wrong) for row in checked if row.report),
    )
    found = "\n\n".join(["## What was found", *map(section, findings)])
    return "\n\n".join([introduction.strip(), "\n".join([HEADER, *map(str, rows)]), lacking(rows), found]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--those", nargs="+", metavar="LIBRARY", help="of these libraries alone")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the page here, and do not print it")
    options = parser.parse_args()
    chosen = [e for e in ENTRIES if not options.those or e.library in options.those]
    text = page(chosen, [f for f in FINDINGS if not options.those or f.library in options.those])
    if options.out:
        options.out.write_text(text, encoding="utf-8", newline="\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
