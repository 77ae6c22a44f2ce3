"""Runs the notebooks of docs/tutorials/, each in a fresh kernel, and writes their outputs into them.

python scripts/run_notebooks.py [NOTEBOOK ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="(default: all)")
    for path in parser.parse_args().notebooks or sorted(TUTORIALS.glob("*.ipynb")):
        begin = time.perf_counter()
        nbformat.write(executed(path), path)
        print(f"{time.perf_counter() - begin:6.1f} s  {path.name}", flush=True)
    return 0


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where, coalesce_streams=True).execute()
    notebook.metadata.pop("language_info", None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":  # progress bars and warnings are none of the page's
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for data in (output.data for output in cell.get("outputs", ()) if "data" in output):
            if any(kind.startswith("image/") for kind in data):  # and not its text, which may be long
                data.pop("text/plain", None)
    return notebook


if __name__ == "__main__":
    sys.exit(main())
