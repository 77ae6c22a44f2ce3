"""The checks as tests of pytest: one for each pair of a function and a check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from .case import Case
from .report import NOT_APPLICABLE, UNSUPPORTED, WRONG, verdict

Check = Callable[[Case], None]


def run_check(case: Case, check: Check) -> None:
    """Runs a check; fails where it is wrong, and skips, with the reason, where it does not apply or is unsupported."""
    of = verdict(case, check)
    if of.result == WRONG:
        pytest.fail(f"{of.layer}, {of.check}: {of.reason}", pytrace=False)
    if of.result in (NOT_APPLICABLE, UNSUPPORTED):
        pytest.skip(f"unsupported: {of.reason}" if of.result == UNSUPPORTED else of.reason)


def on_each(cases_on: Callable[..., Sequence[Case]], devices: Sequence[str], seeds: int) -> list[Case]:
    """Each case that `cases_on(device=...)` makes, with each seed; the first seed is the case's own."""
    return [_drawn(case, more) for device in devices for case in cases_on(device=device) for more in range(seeds)]


def _drawn(case: Case, more: int) -> Case:
    """The case with a later seed; its name says the seed, and the device, where they are not those by default."""
    device, seed = [case.device] if case.device != "cpu" else [], [f"seed {case.seed + more}"] if more else []
    return replace(case, seed=case.seed + more, title=", ".join([str(case), *device, *seed]))


def parametrized_test(cases: Sequence[Case], checks: Sequence[Check]) -> Callable:
    """A test function with parameters: each check of each case."""
    pairs = [pytest.param(case, check, id=f"{case}-{check.__name__}") for case in cases for check in checks]

    @pytest.mark.parametrize("case, check", pairs)
    def test(case: Case, check: Check) -> None:
        run_check(case, check)

    return test


class CheckItem(pytest.Item):
    """A check of a case, as a test."""

    def __init__(self, *, case: Case, check: Check, **options: Any):
        super().__init__(**options)
        self.case, self.check = case, check

    def runtest(self) -> None:
        run_check(self.case, self.check)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, self.name


class CheckCollector(pytest.Collector):
    """The checks of what is in FILE_OR_MODULE[:NAME]."""

    def __init__(self, *, cases: Sequence[Case], checks: Sequence[Check], **options: Any):
        super().__init__(**options)
        self.cases, self.checks = cases, checks

    def collect(self) -> Iterator[CheckItem]:
        for case in self.cases:
            for check in self.checks:
                yield CheckItem.from_parent(self, name=f"{case}-{check.__name__}", case=case, check=check)
