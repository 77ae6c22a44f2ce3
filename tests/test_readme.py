"""What the README shows runs, and what it says is there is there."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DRAWING = (ROOT / "docs" / "visualize.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README + DRAWING, re.S)
LAYERS = [block for block in BLOCKS if "(Layer)" in block]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:40])
def test_python_blocks_run(block):
    before = LAYERS[0] if block is LAYERS[1] else ""  # the second layer goes on where the first left off
    exec(compile(before + block, "README.md", "exec"), {})


def test_the_table_of_checks_is_what_the_command_prints(tmp_path):
    (tmp_path / "mine.py").write_text("\n\n".join(LAYERS), encoding="utf-8")
    command = [sys.executable, "-m", "chapter14", "check", "mine.py"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    table = re.search(r"\$ chapter14 check mine.py\n(.*?)\n\n", README, re.S).group(1)
    assert said.returncode == 1
    assert [line.removeprefix("    ") for line in table.splitlines()] == said.stdout.split("\n\n")[0].splitlines()


def _rows(heading, text):
    section = re.search(rf"^## {heading}\n(.*?)^## ", text, re.S | re.M).group(1)
    lines = [line.strip("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def _defined(file):
    """The names in a file: functions, classes, and methods with their class."""
    found = set()
    for node in ast.parse((ROOT / "chapter14" / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


EQUATIONS = _rows("Equations", README)


def test_the_table_has_every_equation():
    numbers = [f"(14.{n})" for n in range(1, 48)]
    assert [row[0] for row in EQUATIONS] == [*numbers[:10], "Algorithm 14.1", *numbers[10:]]


@pytest.mark.parametrize("equation, code, test", EQUATIONS, ids=[row[0] for row in EQUATIONS])
def test_each_equation_is_where_the_table_says(equation, code, test):
    file, name = code.strip("`").split()
    assert name in _defined(file), f"{file} has no {name}"
    tests = (ROOT / "tests" / "test_chapter.py").read_text(encoding="utf-8")
    assert f"def {test.strip('`')}(" in tests


def test_every_picture_is_there():
    for path in re.findall(r"!\[.*?\]\((?:\.\./)?(.*?)\)", README + DRAWING):
        assert (ROOT / path).is_file(), path
