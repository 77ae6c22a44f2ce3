"""The page of equations with each as its file states it, its code, and the test that compares it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\(14\.\d+\)|Algorithm 14\.1) \| `(\S+) (\S+)` \| `(\w+)` \|$", re.M)


def with_code(page: str) -> str:
    """The page, and after its table a section for each equation."""
    sections = [_section(*row) for row in ROW.findall(page)]
    rows, rest = page.split("\n## ", 1)
    return f"{rows}\n## Equation by equation\n\n{''.join(sections)}\n## {rest}"


def _section(equation: str, file: str, name: str, test: str) -> str:
    code = _source(ROOT / "chapter14" / file, name)
    compared = _source(ROOT / "tests" / "test_chapter.py", test)
    return "\n".join(
        [
            f"### {equation}\n\n{_stated(equation, file, test)}\n",
            f'??? example "[{name}](source/chapter14/{file}.txt) in {file}"',
            f"    ```python\n{_indented(code)}\n    ```\n",
            f'??? success "{test}"',
            f"    ```python\n{_indented(compared)}\n    ```\n\n",
        ]
    )


def _stated(equation: str, file: str, test: str) -> str:
    """The lines about an equation in its file's docstring, or what its test is called."""
    docstring = ast.get_docstring(ast.parse((ROOT / "chapter14" / file).read_text(encoding="utf-8"))) or ""
    lines = [line for line in docstring.splitlines() if equation in line and line.startswith("    ")]
    if lines:
        return "```text\n" + "\n".join(map(str.strip, lines)) + "\n```"
    words = re.sub(r"^test_(14_\d+_)?", "", test).replace("_", " ").replace("g in", "g_in").replace("g out", "g_out")
    return f"Tested: {words}."


def _source(path: Path, name: str) -> str:
    """The source of a function, a class, or an attribute of a class."""
    text = path.read_text(encoding="utf-8")
    body = ast.parse(text).body
    for part in name.split("."):
        node = next(node for node in body if part in _names(node))
        body = getattr(node, "body", [])
    lines = text.splitlines()
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    source = lines[first - 1 : node.end_lineno]
    return "\n".join(line[node.col_offset :] for line in source)


def _names(node: ast.stmt) -> list[str]:
    targets = getattr(node, "targets", [getattr(node, "target", node)])
    return [getattr(target, "name", None) or getattr(target, "id", "") for target in targets]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
