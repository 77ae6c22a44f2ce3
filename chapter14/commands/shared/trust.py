"""What the command in a picture's provenance may do. Another person may have written it: it is untrusted input.

Drawing a picture again runs no file, reads none and downloads nothing that the command names, except with --trust; and
its size is limited.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ...files import escaped
from ...models.load import LIBRARIES
from .options import add_picture_arguments, parse_numbers, parse_ranges

#: The largest values in a recorded command.
MAX_VALUES: dict[str, int] = {
    "count": 256, "between": 256, "steps": 10_000, "through_relu": 10_000, "batch": 4096, "pad": 1024, "jitter": 1024,
    "blur": 256, "guidance": 10**6, "channel": 10**6, "only": 10**6, "seed": 2**64,
}  # fmt: skip
MAX_LENGTHS = {
    "prompt": 256, "label": 256, "against": 256, "prior": 64, "cycles": 256, "channels": 4096, "size": 16, "neuron": 64,
}  # fmt: skip
MAX_SIDE, MAX_PIXELS = 8192, 2**26  # of one side of a picture, and of all pictures together
TRUST_HELP = "run the files, read the photographs and download the weights that a picture's recorded command names"
PHOTOGRAPHS = ("invert", "caricature", "style", "start")


class Untrusted(ValueError):
    """A recorded command that is not run."""


class Parser(argparse.ArgumentParser):
    """Accepts the options that determine a picture, unabbreviated; neither --help nor those of the output."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        add_picture_arguments(self)

    def error(self, message: str) -> NoReturn:
        raise Untrusted(message)


def parse_command(command: Sequence[str], name: str) -> argparse.Namespace:
    """The options of a recorded command. `name`: of the picture, for errors.

    Raises:
        Untrusted: it is not a command that draws a picture.
    """
    try:
        return Parser().parse_args(list(command[1:]))
    except Untrusted as error:
        raise Untrusted(f"{name}: its recorded command does not draw a picture: {error}.") from error


def check_trust(options: argparse.Namespace, name: str, trust: bool) -> None:
    """Prints what the options of a recorded command run, read and download.

    Raises:
        Untrusted: they do any of it, without `trust`; or exceed a limit.
    """
    if excess := _excess(options):
        raise Untrusted(f"{name}: its recorded command has {excess}. You can type the command yourself.")
    actions = external_actions(options)
    if actions and not trust:
        raise Untrusted(f"{name}: its recorded command would {' and '.join(actions)}. If you trust it, give --trust.")
    for action in actions:
        print(f"{escaped(name)} is trusted to {action}.", flush=True)


def external_actions(options: argparse.Namespace) -> list[str]:
    """What these options do with files or the internet: "run other.py"."""
    model, weights = options.model, options.weights
    library, file = model.partition(":")[0], model.rpartition(":")[0] or model
    actions = []
    if file.endswith(".py"):
        actions.append(f"run {file} (--model={model})")
    elif model in ("embedded", "imagenet"):
        if model == "imagenet" and (shadow := _shadow("timm")) is not None:
            actions.append(f"run {shadow} (--model={model})")
    elif library not in LIBRARIES or library == model or Path(model).is_file():
        actions.append(f"read {model} (--model)")
    elif (shadow := _shadow(library)) is not None:
        actions.append(f"run {shadow} (--model={model})")
    elif weights != "random":
        actions.append(f"read or download the {weights or 'default'} weights of {model}")
    elif library == "open_clip":
        actions.append(f"read or download parts of {model}")
    if weights not in (None, "random") and not any(str(weights) in action for action in actions):
        actions.append(f"read {weights} (--weights)")
    for word in options.prior:
        prior = word.rpartition("=")[0]
        if (file := prior.rpartition(":")[0]).endswith(".py"):
            actions.append(f"run {file} (--prior={prior})")
    photographs = [(name, getattr(options, name)) for name in PHOTOGRAPHS]
    actions += [f"read {path} (--{name})" for name, path in photographs if path is not None]
    if options.direction is not None and parse_numbers(options.direction) is None:
        actions.append(f"read {options.direction[:200]} (--direction)")
    return [escaped(action) for action in actions]


def _shadow(library: str) -> str | None:
    """A file in the working directory that Python would import in place of an installed library."""
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        return None
    origin, here = Path(spec.origin).resolve(), Path.cwd().resolve()
    return spec.origin if here in (origin.parent, origin.parent.parent) else None


def _excess(options: argparse.Namespace) -> str | None:
    """A value that exceeds its limit."""
    values: dict[str, Any] = vars(options)
    for name, most in MAX_VALUES.items():
        if values[name] is not None and not -most <= values[name] <= most:
            return f"--{name.replace('_', '-')}={values[name]}, above the limit of {most}"
    for name, most in MAX_LENGTHS.items():
        if values[name] is not None and len(values[name]) > most:
            return f"--{name} of length {len(values[name])}, above the limit of {most}"
    sides = [int(side) for side in (options.size or "").split("x") if side.isdecimal()]
    ranges = [] if options.channels in (None, "all") else parse_ranges(options.channels)
    channels = sum(high - low + 1 for low, high in ranges)
    between = options.between if options.to else 1
    pictures = options.count * max(len(options.prompt), len(options.label), channels, between)
    if pictures > MAX_VALUES["count"]:
        return f"{pictures} pictures, above the limit of {MAX_VALUES['count']}"
    if any(side > MAX_SIDE for side in sides) or (sides and pictures * sides[0] * sides[-1] > MAX_PIXELS):
        return f"{pictures} x --size={options.size}, above the limit of {MAX_SIDE}, and {MAX_PIXELS} pixels in all"
    return None
