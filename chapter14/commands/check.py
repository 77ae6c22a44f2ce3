"""`chapter14 check`: runs every check on the layers of the user's file."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch.autograd import Function

from ..checking.case import Case, assert_there
from ..checking.checks import CHECKS, QUICK
from ..checking.report import Report, verdict
from ..checking.subject import make_case
from ..layer.base import Layer
from ..models.from_file import import_file

DESCRIPTION = """
Runs every check on what a file or a module defines: subclasses of chapter14.Layer and of torch.autograd.Function,
operators of torch.library, modules and functions. Each says how to draw its inputs, by a method or attribute

    @staticmethod
    def example(draw, n):           # a batch of n; draw(*shape) is a tensor that requires a gradient
        return draw(n, 4), draw(5, 4)

    example = "B N, M N"            # or, the same, by their shapes in words

or by the decorator `chapter14.testing.example`. `like(*inputs)` is the same function in PyTorch's operations, which
autograd differentiates; the default is the forward of a Layer, and else finite differences decide.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("what", metavar="FILE_OR_MODULE[:NAME]", help="a Python file or a module; NAME: that alone")
    parser.add_argument(
        "--inputs", metavar="SHAPES", help='the inputs of NAME in words, as "B N, M N, M"; B is the batch'
    )
    parser.add_argument(
        "--like", metavar="NAME", help="its reference: in the same file, or as torch.nn.functional.linear"
    )
    parser.add_argument(
        "--on-purpose", metavar="WORD", default="", help="its backward is no derivative, but, say, straight-through"
    )
    parser.add_argument("--device", default="cpu", help="the device of the inputs, such as cuda (default: cpu)")
    parser.add_argument("--quick", action="store_true", help="without the checks that take long")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Prints the report. Returns 0, or 1 if a check failed."""
    from tqdm import tqdm

    assert_there(options.device)
    cases = cases_of(options.what, options.inputs, options.like, options.on_purpose, options.device)
    pairs = [(case, check) for case in cases for check in (QUICK if options.quick else CHECKS)]
    report = Report([verdict(*pair) for pair in tqdm(pairs, desc="checks", file=sys.stderr, leave=False)])
    print(report.json() if options.json else report)
    return 1 if report.wrong else 0


def cases_of(
    what: str, inputs: str | None = None, like: str | None = None, on_purpose: str = "", device: str = "cpu"
) -> list[Case]:
    """A case for each object in FILE_OR_MODULE that says how to draw its inputs, or for the one of FILE_OR_MODULE:NAME.

    Args:
        inputs, like, on_purpose: those of NAME, in the place of what it says itself.
        device: where the inputs are.

    Raises:
        FileNotFoundError, ValueError: there is no such file, module or object, or nothing says how to draw its inputs.
    """
    where, name = re.fullmatch(r"(.+?)(?::([\w.]+))?", what, re.S).groups()  # type: ignore[union-attr]
    module = module_of(where)
    if name is None and (inputs or like or on_purpose):
        raise ValueError(f"--inputs, --like and --on-purpose are about one object: {where}:NAME.")
    found = [_named(module, name)] if name else _defined(module)
    if not found:
        raise ValueError(
            f"{where}: there is no layer in it: no chapter14.Layer, no Function, and nothing with an example."
        )
    drawn = [f for f in found if inputs or hasattr(f, "example")]
    lacking = [_title(f) for f in found if not hasattr(f, "example")]
    if not drawn or any(isinstance(f, type) and issubclass(f, Layer) for f in found if f not in drawn):
        raise ValueError(f"{where}: {', '.join(lacking)} needs an `example(draw, n)`, which draws its inputs.")
    if len(drawn) < len(found):
        print(f"Not checked, for want of an `example`: {', '.join(lacking)}.", file=sys.stderr)
    reference = _named(module, like) if like else None
    return [
        make_case(
            f,
            inputs or f.example,
            reference or getattr(f, "like", None),
            on_purpose or getattr(f, "on_purpose", ""),
            device,
        )
        for f in drawn
    ]


def module_of(where: str) -> ModuleType:
    """The module in a file, or of a name.

    Raises:
        FileNotFoundError, ValueError: there is none, or it does not run.
    """
    if where.endswith(".py") or Path(where).is_file():
        return import_file(Path(where))
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name and (where == error.name or where.startswith(f"{error.name}.")):
            raise FileNotFoundError(f"{where}: there is no such file, and no such module.") from error
        raise ValueError(f"{where}: it does not run. {type(error).__name__}: {error}") from error
    except Exception as error:
        raise ValueError(f"{where}: it does not run. {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(Path.cwd()))


def _named(module: ModuleType, name: str) -> Any:
    """A name in the module, or one with its own module, as torch.relu."""
    try:
        value: Any = module
        for part in name.split("."):
            value = getattr(value, part)
        return value
    except AttributeError:
        pass
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{module.__name__}: there is no {name} in it.") from error


def _defined(module: ModuleType) -> list[Any]:
    """What the module defines, not what it imports: layers, Functions, and what has an `example`."""
    values: list[Any] = []
    for value in vars(module).values():
        is_class = isinstance(value, type)
        here = getattr(value, "__module__", module.__name__) == module.__name__ or not (
            is_class or inspect.isfunction(value)
        )
        layer = is_class and issubclass(value, Layer) and not inspect.isabstract(value) and hasattr(value, "of")
        function = is_class and issubclass(value, Function)
        example = not inspect.ismodule(value) and hasattr(value, "example") and (callable(value) and not is_class)
        if here and (layer or function or example) and not any(value is v for v in values):
            values.append(value)
    return values


def _title(f: Callable) -> str:
    return getattr(f, "__name__", type(f).__name__)
