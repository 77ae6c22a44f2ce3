"""`chapter14 figures`: the figures of the chapter, drawn from running code."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..drawing.figures import FIGURES, figure, is_page, stem, write_page
from ..files import OVERWRITE, check_writable, clean

DESCRIPTION = """
Draws figures 14.1 to 14.23 of the chapter as SVG and PNG, with computed numbers.

    chapter14 figures
    chapter14 figures 14.17 14.20 --out pictures
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = DESCRIPTION
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="figures, such as 14.17 (all)")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="output folder (%(default)s)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a Markdown page with the figures")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE)


def run(options: argparse.Namespace) -> int:
    numbers = options.numbers or list(FIGURES)
    if unknown := [number for number in numbers if number not in FIGURES]:
        raise ValueError(f"{', '.join(unknown)}: the chapter has figures 14.1 to 14.{len(FIGURES)}.")
    if options.page:
        check_writable(options.page, ours=None if options.overwrite else is_page)
    clean(options.out)
    for number in numbers:
        picture = figure(number)
        for ending in (".svg", ".png"):
            picture.save(options.out / f"{stem(number)}{ending}")
        print(options.out / f"{stem(number)}.svg", flush=True)
    if options.page:
        write_page(options.page, options.out, numbers)
        print(options.page)
    return 0
