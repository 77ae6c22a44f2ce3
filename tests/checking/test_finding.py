"""What `chapter14 check FILE_OR_MODULE[:NAME]` finds, and the checks in somebody else's tests."""

import inspect
import json
import os
import re
import subprocess
import sys

import pytest
import torch

import chapter14
from chapter14.checking.checks import CHECKS
from chapter14.checking.pytest_items import run_check
from chapter14.checking.subject import make_case
from chapter14.cli import main
from chapter14.commands.check import cases_of
from chapter14.testing import check_gradient, example

from ..small_layers import RoundStraight

MINE = """
import torch
from torch.autograd import Function
from torch.nn.functional import linear
from chapter14.testing import example


class Square(Function):
    example = "B N"
    like = torch.square

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x


@example("B 4, 4 4", like=linear)
class Transposed(Function):
    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return x @ W.T

    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        return g @ W, x.T @ g


{straight}

@example(lambda draw, n: (draw(n, 4),), like=torch.sin)
def sine(x):
    return x.sin()


@torch.library.custom_op("chapter14_tests::found", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


doubled.register_autograd(lambda ctx, g: 2 * g)
doubled.example = "B N"
module = torch.nn.Tanh()
module.example = "B N"
""".replace("{straight}", inspect.getsource(RoundStraight))


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A file, and a module that can be imported, since its folder is the current one."""
    name = f"mine_{tmp_path.name.replace('-', '_')}"  # a module is imported once
    (tmp_path / f"{name}.py").write_text(MINE.replace("::found", f"::found_{name}"))
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_everything_that_is_declared_is_found(mine, capsys):
    assert [str(case) for case in cases_of(f"{mine}.py")] == [
        "Square", "Transposed", "sine", f"chapter14_tests::found_{mine}", "Tanh"
    ]  # fmt: skip
    assert "Not checked, for want of an `example`: RoundStraight." in capsys.readouterr().err


def test_a_module_by_its_name(mine):
    (case,) = cases_of(f"{mine}:Square")
    assert (str(case), case.names, case.native) == ("Square", ("x",), torch.square)


def test_inputs_and_the_reference_of_one(mine):
    (case,) = cases_of(f"{mine}.py:RoundStraight", "B 3", "torch.round", "straight-through")
    assert [tuple(t.shape) for t in case.draw()] == [(3, 3)]
    assert case.native is torch.round and case.on_purpose == "straight-through"
    (case,) = cases_of(f"{mine}.py:RoundStraight", "B 3", "sine")
    assert case.native.__name__ == "sine"


@pytest.mark.parametrize(
    "more, inputs, message",
    [
        (":Nobody", None, "there is no Nobody in it"),
        (":RoundStraight", None, "RoundStraight needs an `example"),
        ("", "B N", "about one object"),
    ],
)
def test_what_cannot_be_checked(mine, more, inputs, message):
    with pytest.raises(ValueError, match=message):
        cases_of(f"{mine}.py{more}", inputs)


def test_the_command_prints_json(mine, capsys):
    assert main(["check", f"{mine}:Transposed", "--quick", "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["causes"][0]["reason"].startswith("dJ/dW is transposed")
    options = ["--quick", "--inputs", "B N", "--on-purpose", "straight-through"]
    assert main(["check", f"{mine}:RoundStraight", *options]) == 0
    assert capsys.readouterr().out.startswith("RoundStraight  right: ")


class Cubed(torch.autograd.Function):
    example = "B N"

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x * x


test_cubed = check_gradient(Cubed, quick=True)


test_cubed_on_each = check_gradient(Cubed, quick=True, devices=["cpu", "no_such_device"], seeds=2)


def test_each_device_and_each_seed_is_a_test():
    (mark,) = test_cubed_on_each.pytestmark
    cases = {str(pair.values[0]): pair.values[0] for pair in mark.args[1]}
    assert list(cases) == ["Cubed", "Cubed, seed 15", "Cubed, no_such_device", "Cubed, no_such_device, seed 15"]
    (x,), (again,), (other,) = (cases[name].draw() for name in ("Cubed", "Cubed", "Cubed, seed 15"))
    assert torch.equal(x, again) and not torch.equal(x, other)


def test_a_device_that_is_not_there_is_a_reason_to_skip():
    with pytest.raises(pytest.skip.Exception, match="there is no device no_such_device"):
        run_check(make_case(Cubed, "B N", device="no_such_device"), CHECKS[0])
    with pytest.raises(ValueError, match="there is no device no_such_device here"):
        chapter14.check(Cubed, "B N", device="no_such_device")


def test_on_another_device_than_the_cpu():
    """The meta device has shapes, and no values: only what does not look at them can run there."""
    inputs = make_case(torch.mul, lambda draw, n: (draw(n, 4), torch.ones(4)), device="meta").draw()
    assert [t.device.type for t in inputs] == ["meta", "meta"] and inputs[0].requires_grad


@pytest.mark.parametrize("f, like", [(Cubed, lambda x: x**3), (chapter14.functional.tanh, torch.tanh)])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_check_mixes_devices(check, f, like):
    try:
        check(make_case(f, "B N", like, device="meta"))
    except Exception as error:  # about values, which there are none of
        assert not re.search(r"\bcpu\b", str(error))


def test_without_inputs_there_is_no_test():
    with pytest.raises(TypeError, match="it needs the inputs of"):
        check_gradient(torch.sin)


def test_a_declaration_changes_nothing_else():
    def f(x):
        return x

    assert example("B N", on_purpose="none")(f) is f and (f.example, f.like, f.on_purpose) == ("B N", None, "none")


CONFTEST = """
pytest_plugins = ["chapter14.testing"]
def pytest_configure(config):
    config.option.chapter14 = ["{mine}.py"]
"""


@pytest.mark.slow
def test_in_another_repository(mine, tmp_path):
    """Three lines in its conftest.py, or one in a test file. In a process of its own, as theirs."""
    (tmp_path / "conftest.py").write_text(CONFTEST.format(mine=mine))
    (tmp_path / "test_mine.py").write_text(
        f'from chapter14.testing import check_gradient\ntest_gradients = check_gradient("{mine}:Square", quick=True)\n'
    )
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-k", "raw or backward_a or forward_m"]
    command += ["--chapter14-seeds", "2"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"COLUMNS": "200"}, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert "PASSED test_mine.py::test_gradients[Square-raw_gradients]" in lines
    assert f"PASSED {mine}.py::Transposed-raw_gradients" in lines
    assert f"PASSED {mine}.py::Transposed, seed 15-raw_gradients" in lines
    failed, _ = [line for line in lines if line.startswith("FAILED")]
    assert failed.startswith(
        f"FAILED {mine}.py::Transposed-backward_agrees - Failed: Transposed, backward_agrees: dJ/dW is"
    )
    assert any("unsupported: it has no `jvp`, so forward mode raises" in line for line in lines)
