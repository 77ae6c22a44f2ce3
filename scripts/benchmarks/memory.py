"""Saved bytes at batch 1, and the peak memory of a separate process; what PyTorch's allocator gives out in a call.

Saved bytes are counted, and are the same in every run. The peak is the resident memory of a process that does nothing
else, beyond what it has once the network is built: what the passes and their preparation need.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

import chapter14

from . import limit
from .clock import Given, Row, row
from .networks import NETWORKS, WAYS, made, step

KEPT = "native", "tuned", "checkpointed", "memsave", "converted", "frozen"
PEAKS = "native", "tuned", "converted", "frozen"


def rows(given: Given) -> Iterator[Row]:
    for name in given.networks or NETWORKS:
        model, until = made(name)
        x = given.pixels(1).cpu()
        kept = {}
        for way in KEPT:
            if (f := WAYS[way](model, until)) is not None:
                kept[way] = chapter14.saved_bytes(f, x.clone().requires_grad_()).total
                yield row("memory", name, 1, f"{way}, kept", kept[way], "B")
        for way in ("converted", "frozen"):
            yield row("memory", name, 1, f"{way}, times less", kept["native"] / kept[way], "x")
        if (bound := limit.bytes_of_kinks(model, x)) is not None:
            yield row("memory", name, 1, "limit, kept", bound, "B")
        batch = max(given.batches)
        peaks = {way: _peak(given, way, name, batch) for way in PEAKS}
        for way, (on_top, _) in peaks.items():
            yield row("memory", name, batch, f"{way}, peak", on_top, "B")
        for way in ("converted", "frozen"):
            (native, all_native), (ours, all_ours) = peaks["native"], peaks[way]
            yield row("memory", name, batch, f"{way}, peak, times less", native / ours, "x")
            if given.device == "cpu":
                yield row("memory", name, batch, f"{way}, whole peak, times less", all_native / all_ours, "x")


def _peak(given: Given, way: str, name: str, batch: int) -> tuple[int, int]:
    """Peak bytes beyond the network, and in total, of a separate process."""
    script = Path(__file__).parents[1] / "benchmark.py"
    how = "--peak", way, name, str(batch), "--size", str(given.size), "--device", given.device
    done = subprocess.run(
        [sys.executable, str(script), *how, "--threads", str(given.threads)], capture_output=True, text=True, check=True
    )
    on_top, whole = done.stdout.split()
    return int(on_top), int(whole)


def own_peak(given: Given, way: str, name: str, batch: int) -> None:
    """Runs in the separate process, and prints its peak."""
    model, until = made(name)
    x = given.pixels(batch)
    if given.device != "cpu":
        model.to(given.device)
        before = torch.cuda.memory_allocated()
    else:
        before = resident("VmRSS")
    g_in = step(WAYS[way](model, until), x)
    del model
    g_in(), g_in()
    most = resident("VmHWM") if given.device == "cpu" else torch.cuda.max_memory_allocated()
    print(max(most - before, 1), most)


def resident(what: str) -> int:
    """A memory figure of this process, in bytes. ru_maxrss would include the parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{what}:")[1].split()[0]) * 1024


class Allocated(NamedTuple):
    peak: int
    held: int


def allocated(f: Callable[[], Any], first: bool = False) -> Allocated:
    """The most bytes that PyTorch's allocator has given out at once during a second call of f, or the first, and those
    that are not returned while its result is there. A second call may replace what the first one left in attributes."""
    if not first:
        f()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = f()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]  # type: ignore[union-attr]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    del result
    return Allocated(most, now)
