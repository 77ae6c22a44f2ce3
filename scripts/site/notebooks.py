"""A notebook as a page: its text, its code, and the outputs that are kept in it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path


def page(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first, *rest = [_cell(cell) for cell in cells]
    download = f"\n[{path.name}]({path.name}): this page as a notebook, which CI runs.\n"
    return "\n".join([first, download, *rest])


def _cell(cell: dict) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source + "\n"
    shown = [_fence(source, "python"), *(_output(output) for output in cell["outputs"])]
    if "solution" in cell["metadata"].get("tags", ()):
        inner = "\n".join(f"    {line}" if line else "" for line in "\n".join(shown).splitlines())
        return f'??? success "A solution"\n{inner}\n'
    return "\n".join(shown)


def _output(output: dict) -> str:
    data = output.get("data", {})
    for kind in ("image/png", "image/svg+xml"):
        if kind in data:
            picture = "".join(data[kind])
            if kind == "image/svg+xml":
                picture = base64.b64encode(picture.encode()).decode()
            return f'<img src="data:{kind};base64,{"".join(picture.split())}" alt="What the cell draws">\n'
    text = "".join(output.get("text", data.get("text/plain", "")))
    return _fence(re.sub(r"\x1b\[[\d;]*m", "", text).rstrip("\n"), "{ .text .output }") if text else ""


def _fence(text: str, language: str) -> str:
    return f"```` {language}\n{text}\n````\n"
