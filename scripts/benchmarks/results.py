"""assets/benchmark.csv: one number a line. A new measurement replaces the same machine's earlier one of that row."""

from __future__ import annotations

import csv
import datetime
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from .clock import Given, Row


@dataclass(frozen=True)
class Result:
    table: str
    network: str
    batch: int | None
    measure: str
    value: float
    low: float
    high: float
    unit: str
    machine: str
    date: str
    torch: str


def machine(given: Given) -> str:
    if given.device != "cpu":
        return torch.cuda.get_device_name(given.device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "a processor")
    threads = "one thread" if given.threads == 1 else f"{given.threads} threads"
    return f"{name}, {os.cpu_count()} cores, {threads}"


def stamped(rows: Iterable[Row], given: Given) -> list[Result]:
    when = datetime.date.today().isoformat(), torch.__version__
    return [Result(*row, machine(given), *when) for row in rows]


def read(path: Path) -> list[Result]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Result(
                **{
                    **line,
                    "batch": int(line["batch"]) if line["batch"] else None,
                    **{name: float(line[name]) for name in ("value", "low", "high")},
                }
            )
            for line in csv.DictReader(file)
        ]


def joined(old: Sequence[Result], new: Sequence[Result]) -> list[Result]:
    """All results, in the order in which the networks were first measured."""
    measured = {(r.table, r.network, r.batch, r.machine) for r in new}
    left = [r for r in old if (r.table, r.network, r.batch, r.machine) not in measured]
    first: dict[Any, int] = {}
    for r in (*old, *new):
        first.setdefault(r.table, len(first))
        first.setdefault((r.table, r.network), len(first))
    return sorted([*left, *new], key=lambda r: (first[r.table], first[r.table, r.network], r.batch or 0))


def write(path: Path, results: Sequence[Result]) -> None:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(field.name for field in fields(Result))
    lines.writerows(
        ["" if value is None else f"{value:.6g}" if isinstance(value, float) else value for value in astuple(r)]
        for r in results
    )
    replace(path, text.getvalue())


def replace(path: Path, text: str) -> None:
    """Writes the file completely, or leaves it unchanged."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
