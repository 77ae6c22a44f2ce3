"""What a picture's record asks for. Another may have written it: it is words, until the user says that it is trusted.

A record that is drawn again runs no file, reads none and fetches nothing that it names, except with --trust; and how
much it may ask for has limits.
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

#: The largest that a record may ask for.
MAX_VALUES: dict[str, int] = {
    "count": 256,
    "between": 256,
    "steps": 10_000,
    "through_relu": 10_000,
    "batch": 4096,
    "pad": 1024,
    "jitter": 1024,
    "blur": 256,
    "guidance": 10**6,
    "channel": 10**6,
    "only": 10**6,
    "seed": 2**64,
}
MAX_LENGTHS = {"prompt": 256, "against": 256, "prior": 64, "cycles": 256, "channels": 4096, "size": 16, "neuron": 64}
MAX_SIDE, MAX_PIXELS = 8192, 2**26  # of one side of a picture, and of all pictures together
TRUST_HELP = "run the files, read the photographs and fetch the weights that a picture's record names"
PHOTOGRAPHS = ("invert", "caricature", "style", "start")


class Untrusted(ValueError):
    """A record that is not followed."""


class Parser(argparse.ArgumentParser):
    """The words of a record in full; --help, and what says where pictures go, are none of them."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        add_picture_arguments(self)

    def error(self, message: str) -> NoReturn:
        raise Untrusted(message)


def parse_command(command: Sequence[str], name: str) -> argparse.Namespace:
    """The options of a record's command. `name`: what errors call it.

    Raises:
        Untrusted: it is not such a command.
    """
    try:
        return Parser().parse_args(list(command[1:]))
    except Untrusted as error:
        raise Untrusted(f"{name}: its record has no command that draws a picture: {error}.") from error


def check_trust(options: argparse.Namespace, name: str, trust: bool) -> None:
    """Prints what these options, of a record, run, read and fetch.

    Raises:
        Untrusted: there is such a thing, and no trust; or they ask for too much.
    """
    if much := _too_much(options):
        raise Untrusted(f"{name}: its record asks for {much}. What is meant so can be typed as a command.")
    does = external_actions(options)
    if does and not trust:
        raise Untrusted(
            f"{name}: its record asks to {' and to '.join(does)}. What a record names is not run, read or fetched "
            "unless you trust it, and say so: --trust."
        )
    for it in does:
        print(f"{escaped(name)} is trusted to {it}.", flush=True)


def external_actions(options: argparse.Namespace) -> list[str]:
    """What of the machine, or of the network, these options name: "run other.py"."""
    model, weights = options.model, options.weights
    library, file = model.partition(":")[0], model.rpartition(":")[0] or model
    does = []
    if file.endswith(".py"):
        does.append(f"run {file} (--model={model})")
    elif model == "embedded":
        pass
    elif library not in LIBRARIES or library == model or Path(model).is_file():
        does.append(f"read {model} (--model)")
    elif (shadow := _shadow(library)) is not None:
        does.append(f"run {shadow} (--model={model})")
    elif weights != "random":
        does.append(f"read or fetch the weights {weights or 'by default'} of {model}")
    elif library == "open_clip":
        does.append(f"read or fetch what {model} is made of")
    if weights not in (None, "random") and not any(str(weights) in it for it in does):
        does.append(f"read {weights} (--weights)")
    for word in options.prior:
        prior = word.rpartition("=")[0]
        if (file := prior.rpartition(":")[0]).endswith(".py"):
            does.append(f"run {file} (--prior={prior})")
    does += [f"read {getattr(options, name)} (--{name})" for name in PHOTOGRAPHS if getattr(options, name) is not None]
    if options.direction is not None and parse_numbers(options.direction) is None:
        does.append(f"read {options.direction[:200]} (--direction)")
    return [escaped(it) for it in does]


def _shadow(library: str) -> str | None:
    """A file of the folder that we are in, which Python would import in place of an installed library."""
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        return None
    origin, here = Path(spec.origin).resolve(), Path.cwd().resolve()
    return spec.origin if here in (origin.parent, origin.parent.parent) else None


def _too_much(options: argparse.Namespace) -> str | None:
    its: dict[str, Any] = vars(options)
    for name, most in MAX_VALUES.items():
        if its[name] is not None and not -most <= its[name] <= most:
            return f"--{name.replace('_', '-')}={its[name]}, which goes up to {most} in a record"
    for name, most in MAX_LENGTHS.items():
        if its[name] is not None and len(its[name]) > most:
            return f"{len(its[name])} words or letters of --{name}, which goes up to {most} in a record"
    sides = [int(side) for side in (options.size or "").split("x") if side.isdecimal()]
    several = 1 if options.channels in (None, "all") else sum(b - a + 1 for a, b in parse_ranges(options.channels))
    pictures = options.count * max(len(options.prompt), several, options.between if options.to else 1)
    if pictures > MAX_VALUES["count"]:
        return f"{pictures} pictures, which go up to {MAX_VALUES['count']} in a record"
    if any(side > MAX_SIDE for side in sides) or (sides and pictures * sides[0] * sides[-1] > MAX_PIXELS):
        limits = f"{MAX_SIDE}, and {MAX_PIXELS} pixels in all, in a record"
        return f"{pictures} x --size={options.size}, which goes up to {limits}"
    return None
