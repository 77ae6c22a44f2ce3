"""The command line, one verb each: `chapter14 visualize | page | quality | check | audit | lesson | figures`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch

from .commands.shared.signals import told_to_stop
from .files import escaped
from .visualization.activations.hooks import no_memory

#: Each is a file of `commands`, imported when the verb is given; and what `--help` says about it.
VERBS = {
    "visualize": "what a neuron looks for, as a picture",
    "page": "pictures and photographs side by side, as one file",
    "quality": "how good pictures are, in numbers",
    "check": "hold your own layers to every check",
    "audit": "whose derivatives a network runs on",
    "lesson": "the chapter's algorithm as a page that one can touch",
    "figures": "the figures of the chapter, from running code",
}
#: What was asked for cannot be done: not here, not so, or, as `NotImplementedError`, not by hand.
ERRORS = (
    ValueError,
    IndexError,
    OSError,
    ArithmeticError,
    NotImplementedError,
    MemoryError,
    torch.OutOfMemoryError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb; 0 where it worked, 1 where a check failed, 2 where what was asked for cannot be done,
    130 where it was interrupted."""
    parser = argparse.ArgumentParser("chapter14", description="Backpropagation by hand.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    given = sys.argv[1:] if arguments is None else arguments
    for verb, help in VERBS.items():
        options_of_verb = verbs.add_parser(verb, help=help)
        if verb in given:
            _command(verb).add_arguments(options_of_verb)
    options = parser.parse_args(given)
    formatted = warnings.formatwarning
    try:
        warnings.formatwarning = lambda message, *_, **__: (
            f"\nchapter14 {options.verb}: {_line(message)}\n"
        )  # below a bar
        with told_to_stop():
            status = _command(options.verb).run(options)
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads it has read enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ERRORS as error:
        print(f"chapter14 {options.verb}: {_line(error)}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if not no_memory(error):
            raise
        print(f"chapter14 {options.verb}: it takes more memory than there is. {_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"chapter14 {options.verb}: interrupted.", file=sys.stderr)
        return 130
    finally:
        warnings.formatwarning = formatted


def _command(verb: str) -> Any:
    return import_module(f".commands.{verb}", __package__)


def _line(said: object) -> str:
    """In one line, and nothing in it that a terminal would obey."""
    return escaped(re.sub(r"\s*\n\s*", " ", str(said).strip())) or type(said).__name__
