"""`chapter14 check`: runs every check on the layers of the user's file."""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path

from ..checking.case import Case
from ..checking.checks import CHECKS
from ..checking.report import Report, verdict
from ..checking.subject import make_case
from ..layer.base import Layer
from ..models.from_file import import_file

DESCRIPTION = """
Runs every check on every subclass of chapter14.Layer in the file. Each must say how to draw its inputs:

    @staticmethod
    def example(draw, n):           # a batch of n; draw(*shape) is a tensor that requires a gradient
        return draw(n, 4), draw(5, 4)

and, if its forward is not plain PyTorch that autograd can differentiate, `like(*inputs)`, the same function that is.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("file", type=Path, help="a Python file")


def run(options: argparse.Namespace) -> int:
    """Prints the table. Returns 0, or 1 if a check failed."""
    from tqdm import tqdm

    pairs = [(case, check) for case in cases_of(options.file) for check in CHECKS]
    report = Report([verdict(*pair) for pair in tqdm(pairs, desc="checks", file=sys.stderr, leave=False)])
    print(report)
    return 1 if report.wrong else 0


def cases_of(file: Path) -> list[Case]:
    """A case for each layer that the file defines."""
    module = import_file(file)
    layers = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Layer) and value.__module__ == module.__name__
        and not inspect.isabstract(value) and hasattr(value, "of")
    ]  # fmt: skip
    if not layers:
        raise ValueError(f"{file}: there is no layer in it: no subclass of chapter14.Layer with a forward.")
    if lacking := [layer.__name__ for layer in layers if not hasattr(layer, "example")]:
        raise ValueError(f"{file}: {', '.join(lacking)} needs an `example(draw, n)`, which draws its inputs.")
    return [make_case(layer, layer.example, getattr(layer, "like", None)) for layer in layers]  # type: ignore[attr-defined]
