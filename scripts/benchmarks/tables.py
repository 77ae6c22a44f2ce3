"""The results as Markdown tables: all of them in docs/benchmarks.md, and six rows in the README."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .results import Result

#: The two marks in a page between which a text goes.
TABLES = "<!-- benchmark: written by scripts/benchmark.py -->", "<!-- /benchmark -->"
SUMMARY = "<!-- summary: written by scripts/benchmark.py -->", "<!-- /summary -->"

#: The rows of the README: what is measured; the table, network, batch and measure that it is in.
ROWS = (
    ("saved bytes, resnet18 with fixed parameters, converted", "memory", "resnet18", 1, "converted, times less"),
    ("saved bytes, resnet18, frozen", "memory", "resnet18", 1, "frozen, times less"),
    ("gradient of the image, resnet18, batch 1, converted", "speed", "resnet18", 1, "converted, to native"),
    ("gradient of the image, resnet18, batch 32, frozen", "speed", "resnet18", 32, "frozen, to native"),
    ("gradient of the image, vit_b_16, batch 1, frozen", "speed", "vit_b_16", 1, "frozen, to native"),
    (
        "training step of an MLP, 784-256-10, batch 64, `Chain`",
        "chain",
        "784-256-10, batch 64, SGD",
        None,
        "times as fast",
    ),
)

#: A table -> its title and its columns, each with its measure; without columns, one for each measure.
COLUMNS: dict[str, tuple[str, dict[str, str]]] = {
    "memory": (
        "Saved bytes for one image of 224 x 224, and the peak memory of a process beyond the network, for eight images",
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
        "Forward pass, and backward pass to an image of 224 x 224",
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
        "One position in the middle of a layer, and the backward pass to the whole image",
        {
            "PyTorch": "native",
            "tuned": "tuned",
            "ours": "ours",
            "times as fast": "ours, to native",
            "to the best by hand": "ours, to the best by hand",
        },
    ),
    "neurons": (
        "16 neurons of one image",
        {
            "PyTorch, in a loop": "native",
            "tuned, in a loop": "tuned",
            "PyTorch, at once": "batched",
            "ours": "ours",
            "times as fast": "ours, to native",
            "to the best by hand": "ours, to the best by hand",
        },
    ),
    "chain": ("A training step of a `Chain`, beside `loss.backward()` and the optimizer, plain and fused", {}),
    "jacobian": ("The Jacobian of a network; PyTorch's is the faster of jacrev and jacfwd", {}),
    "loss": ("Linear and cross entropy of many classes, forward and backward pass", {}),
}


def text(results: Sequence[Result]) -> str:
    """All tables, one machine after the other."""
    parts = []
    for machine in dict.fromkeys(r.machine for r in results):
        its = [r for r in results if r.machine == machine]
        versions = sorted({(r.torch, r.date) for r in its})
        when = "; ".join(f"PyTorch {torch}, {date}" for torch, date in versions)
        parts.append(f"{machine}; {when}.")
        parts += [table(name, [r for r in its if r.table == name]) for name in dict.fromkeys(r.table for r in its)]
    return "\n\n".join(parts)


def table(name: str, results: Sequence[Result]) -> str:
    title, columns = COLUMNS[name]
    measures = dict.fromkeys(r.measure for r in results)
    columns = columns or {"PyTorch" if measure == "native" else measure: measure for measure in measures}
    columns = {head: measure for head, measure in columns.items() if measure in measures}
    one = name == "memory"  # saved bytes of one image and the peak of several are in one line
    found = {(r.network, None if one else r.batch, r.measure): r for r in results}
    keys = dict.fromkeys((network, batch) for network, batch, _ in found)
    batches = len({batch for _, batch in keys}) > 1
    lines = [["network" if COLUMNS[name][1] else "case", *(["batch"] if batches else []), *columns]]
    for key in keys:
        cells = [formatted(found.get((*key, measure))) for measure in columns.values()]
        lines.append([key[0], *([str(key[1])] if batches else []), *cells])
    head, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"{title}:", "", head, "|" + "---|" * len(lines[0]), *rest])


def summary(results: Iterable[Result]) -> str:
    """The README's table: PyTorch's bytes or time divided by ours."""
    found = {(r.table, r.network, r.batch, r.measure): r for r in results}
    rows = [f"| {what} | {found[key].value:.2f} |" for what, *place in ROWS if (key := tuple(place)) in found]
    return "\n".join(["| bytes or time | PyTorch's, divided by ours |", "|---|---|", *rows])


def formatted(r: Result | None) -> str:
    """A number with its unit; a ratio with its range over the repeats."""
    if r is None:
        return ""
    if r.unit == "B":
        return f"{_number(r.value / 1e6)} MB"
    if r.unit == "s":
        return f"{_number(1e3 * r.value)} ms" if r.value >= 1e-3 else f"{_number(1e6 * r.value)} µs"
    return f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})" if r.low < r.high else f"{r.value:.3g}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def placed(page: str, marks: tuple[str, str], text: str) -> str:
    """The page, with `text` between its two marks.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = marks
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no place for tables: {begin} and {end}.")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"
