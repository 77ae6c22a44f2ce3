"""The results as tables that one can read, in a terminal and in the README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .goals import fell_short
from .results import Result

BEGIN, END = "<!-- benchmark: written by scripts/benchmark.py -->", "<!-- /benchmark -->"

#: A table -> what it shows, and its columns: a measure each. Those of any other table are its measures as they come.
COLUMNS: dict[str, tuple[str, dict[str, str]]] = {
    "memory": (
        "Kept for the way back of one picture, 224 x 224; and the peak of a process, on top of the network, for eight",
        {
            "PyTorch": "native, kept",
            "checkpointed": "checkpointed, kept",
            "memsave": "memsave, kept",
            "converted": "converted, kept",
            "frozen": "frozen, kept",
            "limit": "limit, kept",
            "converted, times less": "converted, times less",
            "frozen, times less": "frozen, times less",
            "peak": "native, peak",
            "peak, tuned": "tuned, peak",
            "peak, frozen": "frozen, peak",
        },
    ),
    "speed": (
        "Forward, and back to 224 x 224 pixels",
        {
            "limit": "limit",
            "unfrozen": "unfrozen",
            "PyTorch": "native",
            "folded": "folded",
            "tuned": "tuned",
            "checkpointed": "checkpointed",
            "compiled": "compiled",
            "converted": "converted",
            "frozen": "frozen",
            "bf16": "frozen, bf16",
            "converted, times as fast": "converted, to native",
            "frozen, times as fast": "frozen, to native",
            "frozen, to the best by hand": "frozen, to the best by hand",
        },
    ),
    "place": (
        "One place in the middle of a layer, back to the whole picture",
        {
            "PyTorch": "native",
            "tuned": "tuned",
            "ours": "ours",
            "times as fast": "ours, to native",
            "to the best by hand": "ours, to the best by hand",
        },
    ),
    "neurons": (
        "16 neurons of one picture",
        {
            "PyTorch, in a loop": "native",
            "tuned, in a loop": "tuned",
            "PyTorch, at once": "batched",
            "ours": "ours",
            "times as fast": "ours, to native",
            "to the best by hand": "ours, to the best by hand",
        },
    ),
}


def text(results: Sequence[Result]) -> str:
    """All tables, machine by machine, and what fell short."""
    parts = []
    for machine in dict.fromkeys(r.machine for r in results):
        its = [r for r in results if r.machine == machine]
        said = sorted({(r.torch, r.date) for r in its})
        when = "; ".join(f"PyTorch {torch}, {date}" for torch, date in said)
        parts.append(f"{machine}; {when}.")
        parts += [table(name, [r for r in its if r.table == name]) for name in dict.fromkeys(r.table for r in its)]
        short = [f"- {line}" for line in fell_short(its)]
        parts.append("\n".join(["What fell short:", "", *short]) if short else "Nothing of what is asked fell short.")
    return "\n\n".join(parts)


def table(name: str, results: Sequence[Result]) -> str:
    title, columns = COLUMNS.get(
        name, (name, {measure: measure for measure in dict.fromkeys(r.measure for r in results)})
    )
    found = {(r.network, r.measure): r for r in results} if name == "memory" else {}
    found |= {(r.network, r.batch, r.measure): r for r in results}
    columns = {head: measure for head, measure in columns.items() if any(r.measure == measure for r in results)}
    keys = dict.fromkeys((r.network, r.batch) for r in results)
    if name == "memory":  # what is kept and the peak are of two batches, and one line
        keys = dict.fromkeys((r.network,) for r in results)
    batches = len({r.batch for r in results}) > 1 and name != "memory"
    lines = [["network", *(["batch"] if batches else []), *columns]]
    for key in keys:
        cells = [said(found.get((*key, measure))) for measure in columns.values()]
        lines.append([key[0], *([str(key[1])] if batches else []), *cells])
    head, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"{title}:", "", head, "|" + "---|" * len(lines[0]), *rest])


def said(r: Result | None) -> str:
    """A number as one reads it; with the least and the most of its turns, where it compares two ways."""
    if r is None:
        return ""
    if r.unit == "B":
        return f"{_number(r.value / 1e6)} MB"
    if r.unit == "s":
        return f"{_number(1e3 * r.value)} ms" if r.value >= 1e-3 else f"{_number(1e6 * r.value)} µs"
    return f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})" if r.low < r.high else f"{r.value:.3g}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def placed(page: str, results: Iterable[Result]) -> str:
    """The page, with the tables between its two marks.

    Raises:
        ValueError: it has no such marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for tables: {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{text(list(results))}\n\n{END}{after}"
