"""`check`: runs all checks on a layer, and reports the results as a table."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .case import Case, Draw, NotApplicable, assert_there, is_there
from .checks import CHECKS, FOLLOWS, QUICK
from .subject import make_case
from .unsupported import NotSupported, cost, in_one_line

RIGHT, NOT_APPLICABLE, UNSUPPORTED, WRONG = "right", "-", "unsupported", "WRONG"


@dataclass(frozen=True)
class Verdict:
    """The result of a check of a layer: RIGHT, NOT_APPLICABLE, UNSUPPORTED or WRONG, and the reason if not RIGHT."""

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

    @property
    def layers(self) -> list[str]:
        return list(dict.fromkeys(v.layer for v in self.verdicts))

    def of(self, layer: str) -> Report:
        return Report([v for v in self.verdicts if v.layer == layer])

    @property
    def causes(self) -> list[Verdict]:
        """The wrong verdicts that follow from no other of the same layer."""
        failed = {(v.layer, v.check) for v in self.wrong}
        return [v for v in self.wrong if not any((v.layer, c) in failed for c in FOLLOWS.get(v.check, []))]

    @property
    def summary(self) -> str:
        """One line for each layer: right, or what is wrong with it."""
        width = max(map(len, self.layers))
        return "\n".join(f"{layer:{width}}  {self.of(layer)._in_a_line()}" for layer in self.layers)

    def _in_a_line(self) -> str:
        if causes := self.causes:
            more = f", and {len(causes) - 1} more" if len(causes) > 1 else ""
            return f"WRONG: {causes[0].reason} ({causes[0].check}{more})"
        results = [v.result for v in self.verdicts]
        lacking = f", {results.count(UNSUPPORTED)} unsupported" if UNSUPPORTED in results else ""
        return f"right: {results.count(RIGHT)} checks{lacking}, {results.count(NOT_APPLICABLE)} not applicable"

    def __str__(self) -> str:
        checks = list(dict.fromkeys(v.check for v in self.verdicts))
        results = {(v.layer, v.check): v.result for v in self.verdicts}
        first = max(map(len, checks))
        widths = [max(len(layer), *(len(results[layer, check]) for check in checks)) for layer in self.layers]

        def row(name: str, cells: Iterable[str]) -> str:
            cells = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
            return "  ".join([f"{name:{first}}", *cells]).rstrip()

        table = [row(check, (results[layer, check] for layer in self.layers)) for check in checks]
        parts = [self.summary, "\n".join([row("", self.layers), *table]), self._reasons(), self._costs()]
        return "\n\n".join(part for part in parts if part)

    def _reasons(self) -> str:
        lines = []
        for layer in self.layers:
            of_layer = self.of(layer)
            causes = of_layer.causes
            lines += [f"{layer}, {v.check}: {v.reason}" for v in causes]
            if following := [v.check for v in of_layer.wrong if v not in causes]:
                lines.append(f"{layer}: what follows, or may follow, from that: {', '.join(following)}")
        return "\n".join(lines)

    def _costs(self) -> str:
        return "\n".join(f"{v.layer}, {v.check}: {v.reason}" for v in self.verdicts if v.result == UNSUPPORTED)

    def json(self) -> str:
        """The verdicts and the causes as JSON: {"right": bool, "causes": [...], "verdicts": [...]}."""
        dicts = {"causes": [asdict(v) for v in self.causes], "verdicts": [asdict(v) for v in self.verdicts]}
        return json.dumps({"right": not self.wrong, **dicts}, indent=2)


class ChecksFailed(AssertionError):
    """A layer fails a check. `report` has the results of all checks."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report


def verdict(case: Case, check: Callable[[Case], None]) -> Verdict:
    """Runs one check on one layer, without the warnings of PyTorch that the check causes."""
    name = check.__name__
    if not is_there(case.device):
        return Verdict(str(case), name, NOT_APPLICABLE, f"there is no device {case.device}")
    if reason := case.skip.get(name):
        return Verdict(str(case), name, NOT_APPLICABLE, reason)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check(case)
    except NotApplicable as error:
        return Verdict(str(case), name, NOT_APPLICABLE, str(error))
    except NotSupported as error:
        return Verdict(str(case), name, UNSUPPORTED, str(error))
    except Exception as error:
        if not case.is_layer and (reason := cost(name, error)):
            return Verdict(str(case), name, UNSUPPORTED, reason)
        return Verdict(str(case), name, WRONG, in_one_line(error))
    return Verdict(str(case), name, RIGHT)


def check(
    f: Any,
    inputs: tuple | str | Callable[[Draw, int], tuple],
    like: Callable | None = None,
    *,
    quick: bool = False,
    on_purpose: str = "",
    device: str = "cpu",
) -> Report:
    """Runs every check of `chapter14.checking.checks` on a layer. The report prints as a verdict, a table, and reasons.

    Args:
        f: a `Layer`; a `torch.autograd.Function`, or its `apply`; an operator of `torch.library`; a module; a function.
        inputs: the inputs of f. Gradients are checked for the floating-point tensors that have `requires_grad`, or for
            all of them if none has; other values are passed on. Or, so that batches of any size can be drawn, a
            function (draw, n) → the inputs for a batch of n, where draw(*shape) is a tensor that requires a gradient;
            or their shapes in words, "B N, M N, M", where B is the batch and each other letter one size.
        like: the same function in plain PyTorch, to compare with. Default: the `forward` of a `Layer`; without one,
            finite differences decide. Of a module, it takes the module's parameters after the inputs.
        quick: leaves out the checks that take long.
        on_purpose: what the backward pass is instead of a derivative, as "straight-through". Then it is not compared
            with the derivative; all else is checked.
        device: where the inputs are, as "cuda" for a kernel that runs on a GPU alone.

    Raises:
        ChecksFailed: a check fails; the message is the report.
        ValueError: the device is not there.
    """
    assert_there(device)
    case = make_case(f, inputs, like, on_purpose, device)
    report = Report([verdict(case, check) for check in (QUICK if quick else CHECKS)])
    if report.wrong:
        raise ChecksFailed(report)
    return report
