"""`chapter14 quality`: quality metrics of pictures, to compare settings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..files import escaped
from ..visualization.output import quality
from ..visualization.output.provenance import read_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = quality.__doc__
    parser.add_argument("folders", nargs="+", type=Path, metavar="folder", help="of pictures drawn with --report")


def run(options: argparse.Namespace) -> int:
    settings = {
        str(folder): [(path.name, drawn.quality) for drawn, path in read_folder(folder, _warn) if drawn.quality]
        for folder in options.folders
    }
    print(quality.quality_table(settings))
    return 0


def _warn(message: str) -> None:
    print(f"chapter14 quality: {escaped(message)}", file=sys.stderr)
