"""The chapter as one page: Algorithm 14.1, step by step, with numbers that can be touched and changed.

It needs no other file and no network. The scripts beside this file do the same arithmetic, in the same letters; the
numbers that `Graph` and `jacobian` computed are in the page too, which compares its own with them as it opens.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from string import Template
from typing import Any

from torch import Tensor

from .examples import EXAMPLES, NONLINEARITIES, Example, descent, neuron_of, numbers

HERE = Path(__file__).parent
SCRIPTS = """
    arithmetic layers words entries steps matrices inspector graph curves descent proof page
""".split()
DECIMALS = 10  # as many as every machine has alike
STEPS = 10  # of the descent that is compared


def page() -> str:
    """The page as HTML."""
    examples = {name: dataclasses.asdict(example) for name, example in EXAMPLES.items()}
    neurons = {f"data {i}": neuron_of(EXAMPLES["data"], i) for i in range(len(EXAMPLES["data"].given["y"]))}
    computed = {name: _computed(example) for name, example in (EXAMPLES | neurons).items()}
    return Template(_text("page.html")).substitute(
        style=_text("style.css"),
        script="\n".join(_text(f"{name}.js") for name in SCRIPTS),
        data=json.dumps({"examples": examples, "numbers": computed}, ensure_ascii=False, separators=(",", ":")),
    )


def _computed(example: Example) -> dict[str, Any]:
    """By nonlinearity: x, g, L, and J of a descent. A W that is only copied has an L of zeros and ones: left out."""
    found = {}
    for h in NONLINEARITIES:
        both = numbers(example, h)
        Ls = {name: L for name, L in both["L"].items() if not name.startswith("W")}
        found[h] = {"x": both["x"], "g": both["g"], "L": Ls, "J": list(descent(example, h, STEPS))}
    return _plain(found)


def _plain(value: Any) -> Any:
    """Tensors as lists, numbers rounded."""
    if isinstance(value, dict):
        return {name: _plain(inside) for name, inside in value.items()}
    if isinstance(value, Tensor):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(inside) for inside in value]
    short = round(value, DECIMALS) + 0.0  # which is 0 where it was -0
    return int(short) if short.is_integer() else short


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8").strip()
