"""The Python blocks of the README and of docs/ run, and what they refer to exists."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
BLOCKS = [(name, block) for name, page in PAGES.items() for block in re.findall(r"```python\n(.*?)```", page, re.S)]
LAYERS = [block for name, block in BLOCKS if name == "docs/check.md"][:2]


@pytest.mark.parametrize("name, block", BLOCKS, ids=[f"{name}-{block.splitlines()[0][:40]}" for name, block in BLOCKS])
def test_python_blocks_run(name, block):
    before = LAYERS[0] if block is LAYERS[1] else ""  # the second layer uses the imports of the first
    exec(compile(before + block, name, "exec"), {})


def test_the_table_of_checks_is_what_the_command_prints(tmp_path):
    (tmp_path / "mine.py").write_text("\n\n".join(LAYERS), encoding="utf-8")
    command = [sys.executable, "-m", "chapter14", "check", "mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    printed = re.search(r"\$ chapter14 check mine.py\n(.*?)\n\n", PAGES["docs/check.md"], re.S).group(1)
    assert done.returncode == 1
    assert [line.removeprefix("    ") for line in printed.splitlines()] == done.stdout.replace(
        "\n\n", "\n"
    ).splitlines()


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 180


def _rows(text):
    section = text.partition("\n## ")[0]
    lines = [line.strip("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def _defined(file):
    """The names in a file: functions, classes, and methods and attributes with their class."""
    found = set()
    for node in ast.parse((ROOT / "chapter14" / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                targets = getattr(inner, "targets", [getattr(inner, "target", inner)])
                found |= {f"{node.name}.{getattr(t, 'name', None) or getattr(t, 'id', '')}" for t in targets}
    return found


EQUATIONS = _rows(PAGES["docs/equations.md"])


def test_the_table_has_every_equation():
    numbers = [f"(14.{n})" for n in range(1, 48)]
    assert [row[0] for row in EQUATIONS] == [*numbers[:10], "Algorithm 14.1", *numbers[10:]]


@pytest.mark.parametrize("equation, code, test", EQUATIONS, ids=[row[0] for row in EQUATIONS])
def test_each_equation_is_where_the_table_says(equation, code, test):
    file, name = code.strip("`").split()
    assert name in _defined(file), f"{file} has no {name}"
    tests = (ROOT / "tests" / "test_chapter.py").read_text(encoding="utf-8")
    assert f"def {test.strip('`')}(" in tests


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_leads_to_one(name):
    for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGES[name]):
        assert (ROOT / name).parent.joinpath(path).is_file(), path
