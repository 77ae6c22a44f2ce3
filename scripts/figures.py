"""Draws the figures of the chapter: `chapter14 figures`."""

import sys

from chapter14.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:]]))
