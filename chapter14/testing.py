"""The checks as tests in the user's test suite: `check_gradient`, and a pytest plugin with the option `--chapter14`.

In a test file, where `mine` is a module with layers or Functions that have an `example`:

    from chapter14.testing import check_gradient
    test_gradients = check_gradient("mine")

Or without one, in conftest.py; `pytest --chapter14 mine`, or `chapter14 = mine` in pytest.ini, then adds the tests:

    pytest_plugins = ["chapter14.testing"]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from .checking.checks import CHECKS, QUICK
from .checking.example import example as example
from .checking.pytest_items import CheckCollector, on_each, parametrized_test
from .checking.subject import make_case
from .commands.check import cases_of


def check_gradient(
    f: Any,
    inputs: Any = None,
    like: Callable | None = None,
    *,
    quick: bool = False,
    on_purpose: str = "",
    devices: Sequence[str] = ("cpu",),
    seeds: int = 1,
) -> Callable:
    """A test with parameters, one for each check; assign it to a name that begins with `test`.

    Args:
        f: what `chapter14.check` takes; or "FILE_OR_MODULE[:NAME]", for all that is declared there.
        inputs, like, quick, on_purpose: as in `chapter14.check`; by default, what f says itself, as `f.example`.
        devices: where the inputs are; on one that is not there, the tests are skipped.
        seeds: how many draws of the inputs.

    Raises:
        FileNotFoundError, TypeError, ValueError: there is nothing to check, or no inputs.
    """
    if isinstance(f, str):
        cases = on_each(partial(cases_of, f, inputs), devices, seeds)
    else:
        inputs = getattr(f, "example", None) if inputs is None else inputs
        if inputs is None:
            raise TypeError(f"check_gradient: it needs the inputs of {f!r}, as shapes in words: 'B N, M N, M'.")
        like, on_purpose = like or getattr(f, "like", None), on_purpose or getattr(f, "on_purpose", "")
        cases = on_each(lambda device: [make_case(f, inputs, like, on_purpose, device)], devices, seeds)
    return parametrized_test(cases, QUICK if quick else CHECKS)


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("chapter14")
    help = "check the gradients of what this file or module declares"
    group.addoption("--chapter14", action="append", default=[], metavar="FILE_OR_MODULE[:NAME]", help=help)
    group.addoption("--chapter14-quick", action="store_true", help="without the checks that take long")
    devices = "where the inputs are, as cuda; may be repeated (default: cpu)"
    group.addoption("--chapter14-device", action="append", default=[], metavar="DEVICE", help=devices)
    group.addoption("--chapter14-seeds", type=int, default=1, metavar="N", help="how many draws of the inputs")
    parser.addini("chapter14", help=help, type="linelist", default=[])


@pytest.hookimpl(tryfirst=True)  # before others select among the tests
def pytest_collection_modifyitems(session: Any, config: Any, items: list) -> None:
    """Adds the checks of what the option and the ini file name."""
    checks = QUICK if config.getoption("--chapter14-quick") else CHECKS
    devices, seeds = config.getoption("--chapter14-device") or ["cpu"], config.getoption("--chapter14-seeds")
    for what in dict.fromkeys([*config.getoption("--chapter14"), *config.getini("chapter14")]):
        cases = on_each(partial(cases_of, what), devices, seeds)
        parent = CheckCollector.from_parent(session, name=what, nodeid=what, cases=cases, checks=checks)
        items += parent.collect()
