"""The command line, one verb each: `chapter14 visualize`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .visualization import command


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb; 0 where it worked, 2 where what was asked for cannot be done."""
    parser = argparse.ArgumentParser("chapter14", description="Backpropagation by hand.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    command.add_arguments(verbs.add_parser("visualize", help="what a neuron looks for, as a picture"))
    options = parser.parse_args(arguments)
    try:
        command.run(options)
    except (ValueError, OSError) as error:
        print(f"chapter14 {options.verb}: {error}", file=sys.stderr)
        return 2
    return 0
