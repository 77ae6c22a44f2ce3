"""The lesson: one HTML page with Algorithm 14.1 step by step, and inputs that the reader can change.

The page needs no other file and no network. Its scripts do the same arithmetic in the same letters; on loading, they
compare their numbers with those of `Graph` and `jacobian`, which are in the page.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from string import Template
from typing import Any

from torch import Tensor

from .equations import CODE, TEXT, line
from .examples import EXAMPLES, NONLINEARITIES, Example, descent, neuron_of, numbers
from .two_moons import network, points, training

HERE = Path(__file__).parent
SCRIPTS = """
    arithmetic layers words roving bubble equations glossary entries steps matrices inspector graph curves descent proof
    questions predict page bench moons plane start
""".split()
DECIMALS = 10  # the same on every machine
STEPS = 10  # of the gradient descent that the page compares


def page(package: str = "../chapter14", suffix: str = "") -> str:
    """The page as HTML.

    Its links lead to lines of files of this package: to `package`, a slash, the name in the package, `suffix`, #L and
    the number of the line.
    """
    examples = {name: dataclasses.asdict(example) for name, example in EXAMPLES.items()}
    neurons = {f"data {i}": neuron_of(EXAMPLES["data"], i) for i in range(len(EXAMPLES["data"].given["y"]))}
    computed = {name: _computed(example) for name, example in (EXAMPLES | neurons).items()}
    equations = {n: _equation(n) for n in TEXT}
    moons = {"points": points(), "network": dataclasses.asdict(network()), "training": _to_json(_training())}
    links = {"package": package, "suffix": suffix}
    data = {"examples": examples, "numbers": computed, "equations": equations, "moons": moons, "links": links}
    return Template(_text("page.html")).substitute(
        style=_text("style.css"),
        script="\n".join(_text(f"{name}.js") for name in SCRIPTS),
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")),
    )


def _equation(n: str) -> dict[str, Any]:
    number, code = line(n)
    return {"text": TEXT[n], "name": CODE[n][1], "file": CODE[n][0], "line": number, "code": code}


def _computed(example: Example) -> dict[str, Any]:
    """By nonlinearity: x, g, L, and J during gradient descent; without L of a copied W, all zeros and ones."""
    found = {}
    for h in NONLINEARITIES:
        both = numbers(example, h)
        Ls = {name: L for name, L in both["L"].items() if not name.startswith("W")}
        found[h] = {"x": both["x"], "g": both["g"], "L": Ls, "J": list(descent(example, h, STEPS))}
    return _to_json(found)


def _training() -> dict[str, Any]:
    """Of the data set: J before each step of gradient descent and after the last, and the parameters after it."""
    J, theta = zip(*training(STEPS, network().eta), strict=True)
    return {"J": J, "theta": theta[-1]}


def _to_json(value: Any) -> Any:
    """Tensors as lists, with rounded numbers."""
    if isinstance(value, dict):
        return {name: _to_json(inside) for name, inside in value.items()}
    if isinstance(value, Tensor):
        return _to_json(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_to_json(inside) for inside in value]
    short = round(value, DECIMALS) + 0.0  # 0 in place of -0
    return int(short) if short.is_integer() else short


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8").strip()
