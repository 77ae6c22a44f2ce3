"""The notebooks of docs/tutorials/ run from top to bottom, and are committed with the outputs of such a run."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of the libraries that run notebooks
    pytest.mark.skipif(
        None in map(importlib.util.find_spec, ("nbclient", "ipykernel")),
        reason="nbclient or ipykernel is not installed",
    ),
]

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


def kinds(cell):
    """What a cell printed or showed: text, image/png, ..."""
    outputs = cell.get("outputs", [])
    return {kind for output in outputs for kind in (output.get("data") or {"text": None}) if kind != "text/plain"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_runs_and_its_outputs_are_kept(path, monkeypatch):
    import nbformat

    monkeypatch.syspath_prepend(ROOT / "scripts")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    from run_notebooks import executed

    kept, now = nbformat.read(path, as_version=4), executed(path)
    assert len(kept.cells) == len(now.cells)
    for before, after in zip(kept.cells, now.cells, strict=True):
        assert kinds(before) == kinds(after) and before.get("execution_count") == after.get("execution_count")
    text = "".join(o.get("text", "") for cell in now.cells for o in cell.get("outputs", []))
    assert all(cell.execution_count for cell in now.cells if cell.cell_type == "code") and text


def test_each_exercise_is_marked():
    """The stubs are wrong, and the solutions right."""
    nbformat = pytest.importorskip("nbformat")
    cells = nbformat.read(ROOT / "docs" / "tutorials" / "1_chapter.ipynb", as_version=4).cells
    said = ["".join(o.get("text", "") for o in cell.get("outputs", [])) for cell in cells]
    stubs = [text for cell, text in zip(cells, said, strict=True) if "# yours" in cell.source and text]
    solutions = [text for cell, text in zip(cells, said, strict=True) if "solution" in cell.metadata.get("tags", ())]
    assert len(stubs) == len(solutions) == 4
    assert all("WRONG" in text for text in stubs) and all("right" in text for text in solutions)


def test_the_index_lists_every_notebook():
    text = (ROOT / "docs" / "tutorials" / "index.md").read_text(encoding="utf-8")
    assert NOTEBOOKS and [path.name for path in NOTEBOOKS if f"({path.name})" not in text] == []
