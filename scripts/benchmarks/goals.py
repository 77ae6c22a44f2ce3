"""What is asked of the figures, and which of them fell short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .results import Result


class Goal(NamedTuple):
    table: str
    measure: str
    least: float
    networks: tuple[str, ...] = ()  # none: all
    but: tuple[str, ...] = ()
    what: str = ""

    def is_of(self, r: Result) -> bool:
        asked = not self.networks or r.network in self.networks
        return (r.table, r.measure) == (self.table, self.measure) and asked and r.network not in self.but


TRANSFORMER = ("vit_b_16",)
CHAIN = "the speed of a chain"
FEW_INPUTS = "16-512-512-512"  # where jacfwd is PyTorch's better choice
FEW_CLASSES = ("V = 1000, N = 256, D = 64",)
GOALS = (
    *(
        Goal("memory", "converted, times less", least, (name,), what="bytes kept where it is converted")
        for name, least in {"resnet18": 45, "resnet50": 61, "squeezenet1_1": 32, "vgg11": 19}.items()
    ),
    Goal("memory", "frozen, times less", 50, but=TRANSFORMER, what="bytes kept where it is frozen"),
    Goal("memory", "frozen, peak, times less", 2, but=("resnet50", *TRANSFORMER), what="the peak where it is frozen"),
    Goal("memory", "frozen, peak, times less", 4, ("resnet50",), what="the peak where it is frozen"),
    Goal("speed", "converted, to native", 0.9, but=TRANSFORMER, what="the speed of the converted network"),
    Goal("speed", "frozen, to native", 1.3, but=TRANSFORMER, what="the speed of the frozen network"),
    Goal("speed", "frozen, to native", 1.25, TRANSFORMER, what="the speed of the frozen network"),
    Goal("speed", "frozen, to the best by hand", 1, what="the speed of the frozen network, to the best by hand"),
    Goal("place", "ours, to native", 10, what="the speed of one place"),
    Goal("neurons", "ours, to native", 1.5, what="the speed of 16 neurons"),
    *(
        Goal("chain", "times as fast", least, tuple(f"{case}, SGD" for case in cases.split("; ")), what=CHAIN)
        for cases, least in {
            "4-3-2, batch 1; 4-3-2, batch 64": 9,
            "784-256-10, batch 1": 4.5,
            "784-256-10, batch 64": 1.6,
            "1024-1024-1024-10, batch 1": 3.5,
            "1024-1024-1024-10, batch 64": 1.25,
        }.items()
    ),
    Goal("chain", "times as fast", 1, what=CHAIN),
    Goal("jacobian", "times as fast", 20, ("4-3-2",), what="the speed of L"),
    Goal("jacobian", "times as fast", 2.5, but=("4-3-2", FEW_INPUTS), what="the speed of L"),
    Goal("jacobian", "times as fast", 1, (FEW_INPUTS,), what="the speed of L"),
    Goal("loss", "times as fast", 1.3, but=FEW_CLASSES, what="the speed of linear_cross_entropy"),
    Goal("loss", "peak, times less", 10, but=FEW_CLASSES, what="the peak of linear_cross_entropy"),
)


def fell_short(results: Iterable[Result]) -> Iterator[str]:
    """A line for each goal that was missed, with what there was instead."""
    results = list(results)
    for goal in GOALS:
        missed = [r for r in results if goal.is_of(r) and r.value < goal.least]
        if missed:
            part = "1/" if goal.measure.endswith("times less") else ""
            reached = ", ".join(f"{r.network}{_batch(r)} {part}{r.value:.4g}" for r in missed)
            asked = "more than that" if goal.measure.endswith("by hand") else f"{part}{goal.least:g} of PyTorch's"
            yield f"{goal.what}: {asked} is asked; {reached}"


def _batch(r: Result) -> str:
    return f" at {r.batch}" if r.table == "speed" else ""
