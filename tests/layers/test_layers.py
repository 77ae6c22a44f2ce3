"""Every layer, held to every check."""

import pytest

import chapter14.functional as F
from chapter14.checking.case import NotApplicable
from chapter14.checking.checks import (
    CHECKS,
    compiles,
    finite_differences,
    finite_differences_second_order,
    half_precision_accuracy,
    mixed_mode_orders,
)

from ..table import CASES

#: The checks that most of the suite's time goes into.
SLOW = compiles, finite_differences, finite_differences_second_order, half_precision_accuracy, mixed_mode_orders


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    "check",
    [pytest.param(check, marks=[pytest.mark.slow] if check in SLOW else []) for check in CHECKS],
    ids=lambda check: check.__name__,
)
def test_layer(check, case):
    if reason := case.skip.get(check.__name__):
        pytest.skip(reason)
    try:
        check(case)
    except NotApplicable as reason:
        pytest.skip(str(reason))


def test_every_function_is_in_the_table():
    public = {name for name in vars(F) if not name.startswith("_")}
    assert all(getattr(F, name).__doc__ for name in public)
    assert public <= {str(case).split(",")[0] for case in CASES}


def test_every_gap_names_a_check():
    assert {check for case in CASES for check in case.skip} <= {check.__name__ for check in CHECKS}
