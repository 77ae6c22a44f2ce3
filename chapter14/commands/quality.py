"""`chapter14 quality`: how good pictures are, in numbers, so that two ways to draw can be compared."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..files import escaped
from ..visualization.output import quality
from ..visualization.output.provenance import read_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = quality.__doc__
    parser.add_argument("folders", nargs="+", type=Path, metavar="folder", help="of pictures that chapter14 drew")


def run(options: argparse.Namespace) -> int:
    """
    Raises:
        ValueError: a folder has no pictures whose quality was measured.
    """
    drawn = {str(folder): read_folder(folder, _say) for folder in options.folders}
    print(
        quality.quality_table(
            {folder: [(path.name, r.quality) for r, path in pairs if r.quality] for folder, pairs in drawn.items()}
        )
    )
    return 0


def _say(what: str) -> None:
    print(f"chapter14 quality: {escaped(what)}", file=sys.stderr)
