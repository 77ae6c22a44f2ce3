"""`check`: runs all checks on a layer, and reports the results as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .case import Case, Draw, NotApplicable
from .checks import CHECKS
from .subject import make_case

RIGHT, NOT_APPLICABLE, WRONG = "right", "-", "WRONG"


@dataclass(frozen=True)
class Verdict:
    """The result of a check of a layer: RIGHT, NOT_APPLICABLE or WRONG, and the reason for the last two."""

    layer: str
    check: str
    result: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    verdicts: Sequence[Verdict]

    @property
    def wrong(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.result == WRONG]

    def __str__(self) -> str:
        layers, checks = (list(dict.fromkeys(names)) for names in zip(*[(v.layer, v.check) for v in self.verdicts]))  # noqa: B905
        results = {(v.layer, v.check): v.result for v in self.verdicts}
        first, widths = max(len(check) for check in checks), [max(len(layer), len(WRONG)) for layer in layers]

        def row(name: str, cells: Iterable[str]) -> str:
            cells = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
            return "  ".join([f"{name:{first}}", *cells]).rstrip()

        table = [row("", layers), *(row(check, (results[layer, check] for layer in layers)) for check in checks)]
        reasons = [f"{v.layer}, {v.check}: {v.reason}" for v in self.wrong]
        return "\n".join([*table, *([""] if reasons else []), *reasons])


class ChecksFailed(AssertionError):
    """A layer fails a check. `report` has the results of all checks."""

    def __init__(self, report: Report):
        super().__init__(f"\n{report}")
        self.report = report


def verdict(case: Case, check: Callable[[Case], None]) -> Verdict:
    """Runs one check on one layer."""
    name = check.__name__
    if reason := case.skip.get(name):
        return Verdict(str(case), name, NOT_APPLICABLE, reason)
    try:
        check(case)
    except NotApplicable as error:
        return Verdict(str(case), name, NOT_APPLICABLE, str(error))
    except Exception as error:
        message = " ".join(str(error).split())
        reason = message if type(error) is AssertionError else f"{type(error).__name__}: {message}"
        return Verdict(str(case), name, WRONG, reason)
    return Verdict(str(case), name, RIGHT)


def check(f: Callable | type, inputs: tuple | Callable[[Draw, int], tuple], like: Callable | None = None) -> Report:
    """Runs every check of `chapter14.checking.checks` on a layer. The report prints as a table.

    Args:
        f: a `Layer`, a `torch.autograd.Function` or its `apply`, or a function made of layers.
        inputs: the inputs of f. Gradients are checked for the floating-point tensors that have `requires_grad`, or for
            all of them if none has; other values are passed on. Or, so that batches of any size can be drawn, a
            function (draw, n) → the inputs for a batch of n, where draw(*shape) is a tensor that requires a gradient.
        like: the same function in plain PyTorch, to compare with. Default: the `forward` of a `Layer`.

    Raises:
        ChecksFailed: a check fails; the message is the table, with the reasons.
    """
    report = Report([verdict(make_case(f, inputs, like), check) for check in CHECKS])
    if report.wrong:
        raise ChecksFailed(report)
    return report
