"""`chapter14 lesson`: the chapter's algorithm as an interactive page."""

from __future__ import annotations

import argparse
import os
import webbrowser
from pathlib import Path
from urllib.parse import quote

from ..files import OVERWRITE, check_writable, escaped, whole
from ..lesson.page import page

DESCRIPTION = """
Writes one self-contained HTML file: Algorithm 14.1 step by step on a computation graph, with inputs that the reader can
change.

    chapter14 lesson --open
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("--out", type=Path, default=Path("chapter.html"), help="output file (%(default)s)")
    parser.add_argument("--open", action="store_true", help="open the file in a browser")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE)


def run(options: argparse.Namespace) -> int:
    written = page(_from(options.out))
    head = written.partition("</title>")[0].encode()
    check_writable(options.out, ours=None if options.overwrite else lambda path: path.read_bytes().startswith(head))
    with whole(options.out) as file:
        file.write_text(written, encoding="utf-8", newline="\n")
    print(escaped(f"Wrote {options.out}."))
    if options.open:
        webbrowser.open(options.out.resolve().as_uri())
    return 0


def _from(out: Path) -> str:
    """The address of the package's source, from the page."""
    package = Path(__file__).resolve().parents[1]
    try:
        return quote(Path(os.path.relpath(package, out.resolve().parent)).as_posix())
    except ValueError:  # on another drive
        return package.as_uri()
