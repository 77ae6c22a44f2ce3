"""The command line: what it prints, and what it says where it cannot do what was asked."""

import shutil
import subprocess
import sys
import textwrap

import pytest
from PIL import Image

import chapter14
from chapter14.cli import main

pytestmark = pytest.mark.slow

LAYERS = """
from chapter14 import Layer
from chapter14.functional import mul, pow


class Cube(Layer):
    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def backward(needs, g, x):
        return (mul(g, mul(pow(x, 2), {factor})),)

    @staticmethod
    def jvp(tangents, x):
        return mul(tangents[0], mul(pow(x, 2), 3))

    @staticmethod
    def example(draw, n):
        return (draw(n, 4),)
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "mine.py").write_text(textwrap.dedent(text))
        return str(tmp_path / "mine.py")

    return write


def test_version_is_the_packages(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"chapter14 {chapter14.__version__}\n"


COMPLETED = {
    "vis": ["visualize"],
    "visualize --pag": ["--page"],
    "visualize --image ''": ["pixels", "pyramid", "fourier", "maco"],
    "check --js": ["--json"],
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_completion_in_bash(tmp_path):
    pytest.importorskip("shtab", reason="shtab is not installed")
    command = [sys.executable, "-m", "chapter14", "--completion", "bash"]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for words in COMPLETED:
        script += f"COMP_WORDS=(chapter14 {words}); "
        script += 'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); _shtab_chapter14; echo "${COMPREPLY[*]}"\n'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [sorted(line.split()) for line in done.stdout.splitlines()] == list(map(sorted, COMPLETED.values()))


def test_completion_without_shtab(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit):
        main(["--completion", "bash"])
    assert "pip install shtab" in capsys.readouterr().err


def test_check_prints_the_table_of_a_right_layer(file, capsys):
    assert main(["check", file(LAYERS.replace("{factor}", "3"))]) == 0
    table = capsys.readouterr().out
    assert "WRONG" not in table and table.startswith("Cube  right: ") and table.splitlines()[2].split() == ["Cube"]
    assert table.count("right") >= 19


def test_check_says_which_check_a_wrong_layer_fails_and_why(file, capsys):
    assert main(["check", file(LAYERS.replace("{factor}", "2"))]) == 1
    table = capsys.readouterr().out
    assert table.startswith("Cube  WRONG: dJ/dx is 0.666667 times the right one (backward_agrees)")
    assert "forward_agrees                   right" in table


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 1", "there is no layer in it"),
        ("import nothing_of_the_kind", "it does not run. ModuleNotFoundError"),
        (LAYERS.replace("def example", "def sample"), "Cube needs an `example(draw, n)`"),
    ],
)
def test_check_says_what_is_missing(text, message, file, capsys):
    assert main(["check", file(text)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("chapter14 check: ") and message in error


def test_check_of_no_file(capsys):
    assert main(["check", "nowhere.py"]) == 2
    assert "nowhere.py: there is no such file" in capsys.readouterr().err
    assert main(["check", "nowhere.at_all"]) == 2
    assert "nowhere.at_all: there is no such file, and no such module" in capsys.readouterr().err


def test_audit_of_the_embedded_network(capsys):
    assert main(["audit"]) == 0
    out = capsys.readouterr().out
    assert out.count("100% by hand") == 2 and "in all" in out


NETWORKS = """
import torch
from torch import nn


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def words():
    return nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)), [torch.randint(9, (2, 3))]


def number():
    return 14
"""


@pytest.mark.parametrize("options", [(), ("--train",), ("--batch", "1", "--layers")])
def test_audit_of_a_user_defined_network(options, file, capsys):
    assert main(["audit", file(NETWORKS) + ":small", "--size", "8", *options]) == 0
    out = capsys.readouterr().out
    assert out.count("100% by hand") == 2 and "native  " not in out.split("saved for")[0]
    rows = [row.split() for row in out.splitlines() if row.startswith("in all")]
    assert [0 < int(ours.replace(",", "")) for *_, ours, _ in rows] == [True, True]
    assert any(row.startswith("2   ") for row in out.splitlines()) == ("--layers" in options)


def test_audit_of_a_network_with_its_own_inputs(file, capsys):
    assert main(["audit", file(NETWORKS) + ":words"]) == 0
    assert "100% by hand" in capsys.readouterr().out


def test_audit_of_an_unconverted_network(file, capsys):
    assert main(["audit", file(NETWORKS) + ":small", "--size", "8", "--native"]) == 0
    out = capsys.readouterr().out
    assert "the gradient: 0% by hand: 0 of " in out and "ConvolutionBackward0" in out and "saved" not in out


def test_audit_of_a_torchvision_network(capsys):
    assert main(["audit", "torchvision:resnet18", "--size", "32"]) == 0
    first, second = capsys.readouterr().out.split("the gradient's own gradient: ")
    assert first.startswith("the gradient: 100% by hand") and "  by hand  Linear " in first
    native = [row.split() for row in second.splitlines() if row.startswith("  native ")]
    assert [row[1] for row in native] == ["AddBackward0"] and "autograd's own sum, (14.46)" in second


@pytest.mark.parametrize(
    "name, message",
    [
        ("nowhere.safetensors", "no such network"),
        ("torchvisoin:resnet18", "there are torchvision, timm, open_clip"),
        ("torchvision:resnet19", "Did you mean: resnet18"),
        ("torchvision:squeezenet1_1", "it does not take [2, 3, 4, 4]; see --size"),
        ("FILE:big", "it has no function 'big'"),
        ("FILE:number", "number() returns a torch.nn.Module, or (module, inputs); it returned int"),
        ("FILE:small", "it does not take [2, 3, 4, 4]"),
    ],
)
def test_audit_errors(name, message, file, capsys):
    assert main(["audit", name.replace("FILE", file(NETWORKS)), "--size", "4"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("chapter14 audit: ") and message in error


def test_audit_error_names_the_package_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert main(["audit", "open_clip:RN50"]) == 2
    assert "open_clip is not installed; pip install open_clip_torch" in capsys.readouterr().err


def test_visualize_writes_the_picture_and_says_where(tmp_path, capsys):
    out = tmp_path / "new" / "cat.png"
    assert main(["visualize", "a photo of a cat", "--steps", "4", "--height", "96", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert f"The picture is {out}." in said.out and "100% of the gradient's nodes are by hand" in said.out
    assert "a photo of a cat: 100%" in said.err  # the bar
    assert size_of(out) == (96, 96) and sorted(p.name for p in out.parent.iterdir()) == ["cat.json", "cat.png"]


def test_visualize_draws_several_and_prints_j(tmp_path, capsys):
    out = tmp_path / "neurons.png"
    arguments = ["--layer", "image.stages.3", "--channel", "7", "--count", "2", "--history", "--image=fourier"]
    more = ["--decorrelated", "--rotate", "5", "--scale", "0.1", "--jitter", "2"]
    assert main(["visualize", *arguments, *more, "--steps", "3", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.count("  J ") >= 3 and size_of(out)[0] > 96


def size_of(path):
    with Image.open(path) as image:
        return image.size


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a photo of a unicorn"], "unicorn"),
        (["--class", "unicorn"], "Its classes: cassette player, cat"),
        (["--class", "99"], "the network has classes 0 to 11"),
        (["--layer", "image.nothing", "--channel", "0"], "the network has no such layer"),
        (["--layer", "image.stages.3"], "--layer takes one of --channel, --channels, --neuron"),
        (["--layer", "image.stages.3", "--channel", "9999"], "there is no channel 9999; it has 80, 0 to 79"),
        (["--channel", "1"], "--layer"),
        ([], "it needs one of"),
        (["a photo of a cat", "--class", "cat"], "it needs one of"),
        (["a photo of a cat", "--model", "nowhere"], "no such network"),
        (["a photo of a cat", "--out", "cat.mystery"], "its name must end as that of an image file"),
    ],
)
def test_visualize_says_what_cannot_be_done_and_leaves_nothing(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["visualize", *arguments, "--steps", "1"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error and error.startswith("chapter14 visualize: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["visualize", "--lits"], "chapter14 visualize: unrecognized: --lits. Did you mean: --list"),
        (["visualize", "--channel"], "chapter14 visualize: argument --channel: expected one argument. `chapter14 vis"),
        (["visualise"], "chapter14: argument verb: invalid choice: 'visualise'"),
    ],
)
def test_a_wrong_option_is_one_line(arguments, says, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(says)


def test_a_network_of_a_file_may_be_the_module_itself(file, capsys):
    path = file("from torch import nn\nnet = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n")
    assert main(["audit", f"{path}:net", "--size", "8"]) == 0
    assert "the gradient: 100% by hand: 2 of 2 nodes" in capsys.readouterr().out


@pytest.mark.parametrize("how", [["--list"], ["--list", "embedded"]])
def test_list_prints_the_layers_of_the_model(how, capsys):
    assert main(["visualize", "--model", "embedded", *how]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("output ")
