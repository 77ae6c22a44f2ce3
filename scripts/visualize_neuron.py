"""Draws what a neuron responds to (section 14.9): `python scripts/visualize_neuron.py "a photo of a cat"`."""

import sys

from chapter14.cli import main

if __name__ == "__main__":
    sys.exit(main(["visualize", *sys.argv[1:]]))
