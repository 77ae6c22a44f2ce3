"""The command line, one verb each: `chapter14 visualize | page | quality | check | audit | lesson | figures`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import torch

from .commands.shared.signals import interrupt_on_signals
from .files import escaped
from .models.pretrained import did_you_mean
from .version import __version__
from .visualization.activations.hooks import is_out_of_memory

#: A verb is a file of `commands`, imported only if the verb is given.
VERBS = {
    "visualize": "draw what activates a neuron",
    "page": "show pictures and dataset examples on one page",
    "quality": "measure the quality of pictures",
    "check": "run every check on your own layers",
    "audit": "report which derivatives of a network are by hand",
    "lesson": "write the chapter's algorithm as an interactive page",
    "figures": "draw the chapter's figures from running code",
}
#: Errors that are reported in one line.
ERRORS = (
    ValueError, IndexError, OSError, ArithmeticError, NotImplementedError, MemoryError, torch.OutOfMemoryError
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a verb. Returns 0 on success, 1 if a check failed, 2 after an error, 130 after an interrupt."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = _Parser("chapter14", description="Backpropagation by hand.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    help = 'print what completes this command in a shell, as `eval "$(chapter14 --completion bash)"` in ~/.bashrc'
    parser.add_argument("--completion", action=_Completion, choices=("bash", "zsh", "tcsh"), help=help)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, help in VERBS.items():
        of_verb = verbs.add_parser(verb, help=help, formatter_class=argparse.RawDescriptionHelpFormatter)
        if verb in given or "--completion" in given:
            _command(verb).add_arguments(of_verb)
    options, unknown = parser.parse_known_args(given)
    if unknown:
        of_verb = verbs.choices[options.verb]
        options_of_verb = [option for action in of_verb._actions for option in action.option_strings]
        of_verb.error(
            f"unrecognized: {' '.join(unknown)}.{did_you_mean(unknown[0].partition('=')[0], options_of_verb)}"
        )
    prefix, formatted = f"chapter14 {options.verb}:", warnings.formatwarning

    def fail(message: str, status: int = 2) -> int:
        print(prefix, message, file=sys.stderr)
        return status

    try:
        warnings.formatwarning = lambda message, *_, **__: f"\n{prefix} {_line(message)}\n"  # below a progress bar
        with interrupt_on_signals():
            status = _command(options.verb).run(options)
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of the output, as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ERRORS as error:
        return fail(_line(error))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return fail(f"it takes more memory than there is. {_line(error)}")
    except KeyboardInterrupt:
        return fail("interrupted.", 130)
    finally:
        warnings.formatwarning = formatted


class _Parser(argparse.ArgumentParser):
    """Its errors are one line: the usage of `chapter14 visualize` has thirty."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message.rstrip('.')}. `{self.prog} --help` explains the options.\n")


class _Completion(argparse.Action):
    """Prints the completion script of a shell."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, shell: Any, option: str | None = None) -> None:
        try:
            import shtab
        except ImportError:
            parser.error("shtab, which writes completions, is not installed; pip install shtab")
        verbs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        for action in (action for of_verb in verbs.choices.values() for action in of_verb._actions):
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        print(shtab.complete(parser, shell))
        parser.exit()


def _command(verb: str) -> Any:
    return import_module(f".commands.{verb}", __package__)


def _line(message: object) -> str:
    """A message in one line, without control characters."""
    return escaped(re.sub(r"\s*\n\s*", " ", str(message).strip())) or type(message).__name__
