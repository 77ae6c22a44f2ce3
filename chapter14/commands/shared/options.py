"""The options of `chapter14 visualize` that determine a picture: their arguments, objectives, and command lines."""

from __future__ import annotations

import argparse
import functools
import inspect
import operator
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...files import escaped, regular
from ...models.from_file import function_in_file
from ...models.pretrained import Pretrained
from ...visualization.activations.hooks import PICTURE
from ...visualization.activations.layers import channels
from ...visualization.objectives.features import direction, diversity, dream
from ...visualization.objectives.objective import (
    GUIDANCE,
    Objective,
    channel,
    interpolate,
    label,
    neuron,
    own,
    text,
)
from ...visualization.objectives.priors import blur, l2, mean_alpha, natural_spectrum, total_variation
from ...visualization.objectives.reference import caricature, invert, style
from ...visualization.optimization.optimize import visualize
from ...visualization.optimization.recipe import EMBEDDED, STEPS
from ...visualization.transforms.presets import JITTER, NOISE
from .picture_options import IMAGES, is_number, picture_size, read_photograph

PRIORS = {"tv": total_variation, "l2": l2, "blur": blur, "spectrum": natural_spectrum, "alpha": mean_alpha}
#: The options that name an objective of a layer.
LAYER_OPTIONS = ("channel", "channels", "neuron", "direction", "dream", "invert", "caricature", "style")


class RequestedObjective(NamedTuple):
    objective: Objective
    alone: dict[str, Any]  # the options that request it alone
    bare: Objective  # without priors, for photographs and quality metrics


def add_picture_arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Adds the arguments that determine the picture, and not where it goes."""
    actions: list[argparse.Action] = []

    def group(title: str) -> Callable[..., None]:
        added = parser.add_argument_group(title)
        return lambda *names, **options: actions.append(added.add_argument(*names, **options))

    add = group("objective, one of")
    add("prompt", nargs="*", help="one or more sentences that the picture should fit")
    several = "one or more classes of the network, by name or number"
    add("--class", dest="label", nargs="+", action="extend", default=[], metavar="CLASS", help=several)
    add("--layer", help="a layer of the network, with one of the following; --list prints their names")
    add("--channel", type=int, metavar="I", help="one of its channels, averaged over all places")
    add("--channels", metavar="WHICH", help="several channels: all, or 0-15, or 1,4,7-9")
    add("--neuron", metavar="I[,ROW,COLUMN]", help="one of its neurons: 5, or at a place, 5,2,2")
    add("--direction", metavar="V", help="a direction: a number for each channel, with commas, or a file of them")
    add("--dream", action="store_true", help="the whole layer: the mean of its squares")
    add("--invert", type=Path, metavar="PHOTO", help="reproduce the layer's output for this photograph")
    add("--caricature", type=Path, metavar="PHOTO", help="exaggerate it")
    add("--style", type=Path, metavar="PHOTO", help="reproduce its correlations between channels")

    add = group("options of the objective")
    add("--against", nargs="+", action="extend", default=[], metavar="PROMPT", help="sentences that it must not fit")
    guidance = f"how strongly a sentence is contrasted with others ({GUIDANCE}; the embedded network: --softmax)"
    add("--guidance", type=float, help=guidance)
    add("--softmax", action="store_true", help="its probability among the others")
    add("--to", metavar="PROMPT", help="from the sentence to this one, in --between pictures")
    add("--between", type=int, default=5, metavar="N", help="the number of pictures, including both (%(default)s)")
    add("--only", type=int, metavar="I", help="of several objectives, this one; the first is 0")
    add("--diverse", type=float, default=0, metavar="WEIGHT", help="--count pictures that differ at --layer, or output")
    priors = f"subtract {', '.join(PRIORS)}, as in tv=0.1, or a function, FILE.py:FUNCTION=0.1"
    add("--prior", nargs="+", action="extend", default=[], metavar="NAME=WEIGHT", help=priors)

    add = group("network")
    models = "embedded; imagenet; torchvision:, timm:, open_clip:NAME; FILE.py:FACTORY; a file"
    add("--model", default="embedded", help=models)
    add("--weights", help="of a library's network: their name, a file, or random")
    add("--device", help="cpu, cuda, mps")
    add("--bf16", action="store_true", help="run the network in bfloat16")
    add("--compile", action="store_true", help="compile the network with torch.compile")

    add = group("parameterization of the picture")
    recipe = "pixels for the embedded network; for others, fourier --decorrelated --bounded --rate"
    add("--image", choices=IMAGES, help=f"({recipe})")
    add("--decorrelated", action="store_true", help="in decorrelated colours")
    add("--bounded", action="store_true", help="no colour brighter than white or darker than black during the descent")
    add("--grey", action="store_true", help="without colours")
    add("--alpha", action="store_true", help="with an alpha channel")
    add("--importance", action="store_true", help="transparent where the gradient was small")
    add("--size", metavar="N[xM]", help="of the picture, in pixels; or its height and width, 96x128")
    add("--start", type=Path, metavar="PHOTO", help="start from this photograph")

    add = group("random transforms, at each step before the network; any of them replaces those of its recipe")
    add("--robust", action="store_true", help="lucid's: pad, jitter, scale, rotate")
    add("--pad", type=int, metavar="PIXELS", help="add a grey border")
    add("--jitter", type=int, metavar="PIXELS", help=f"move by up to so much ({JITTER.pixels})")
    add("--rotate", type=float, metavar="DEGREES", help="rotate by up to so much")
    add("--scale", type=float, metavar="SHARE", help="enlarge or shrink by up to this share")
    add("--crop", type=float, metavar="SHARE", help="crop to at least this share, and resize")
    add("--colour", type=float, metavar="SHARE", help="change the colours by up to this share")
    add("--blur", type=float, metavar="PIXELS", help="blur by up to so much")
    add("--noise", type=float, metavar="SIGMA", help=f"add noise ({NOISE.sigma})")
    add("--no-flip", action="store_true", help="do not mirror the picture half of the time")

    add = group("descent")
    add("--seed", type=int, default=_default(visualize, "seed"), help="determines the picture (%(default)s)")
    add("--count", type=int, default=_default(visualize, "count"), help="the number of seeds (%(default)s)")
    add("--steps", type=int, help=f"of the first descent ({EMBEDDED.steps}; of other networks {STEPS})")
    cycles = "then descents from a mixture of this share of the picture with noise, or none"
    add("--cycles", help=f"{cycles} ({','.join(map(str, EMBEDDED.cycles))}; of other networks none)")
    length = "the sum of the lengths of the steps; 1 is the distance from white noise to a photograph (the image's)"
    add("--path-length", type=float, metavar="LENGTH", help=length)
    add("--rate", type=float, help="Adam's, on the image's parameters, instead of steps of given lengths")
    wake = "steps with a gradient through inactive relus, to wake a dead neuron (%(default)s)"
    add("--through-relu", type=int, default=_default(visualize, "through_relu"), metavar="STEPS", help=wake)
    add("--batch", type=int, help="the number of pictures at a time (as many as fit into memory)")
    return actions


def _default(function: Callable[..., Any], name: str) -> Any:
    return inspect.signature(function).parameters[name].default


def command_words(options: argparse.Namespace, changes: Mapping[str, Any]) -> list[str]:
    """The command line of these options, with some changed."""
    words: list[str] = []
    values = {**vars(options), **changes}
    for action in add_picture_arguments(argparse.ArgumentParser()):
        value = values[action.dest]
        if value in (action.default, None) or value == []:
            continue
        each = [] if value is True else [_word(v) for v in (value if isinstance(value, list) else [value])]
        name = action.option_strings[-1:]
        if not name:  # positional: first, as an option before them could take them
            words = [*each, *words]
        else:
            words += [f"{name[0]}={each[0]}"] if len(each) == 1 else [*name, *each]
    return words


def _word(value: Any) -> str:
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def shell_command(words: Sequence[str]) -> str:
    return escaped(shlex.join(["chapter14", "visualize", *words]))


def requested_objectives(options: argparse.Namespace, network: Pretrained) -> list[RequestedObjective]:
    """Every objective that the options request.

    Raises:
        ValueError, IndexError, FileNotFoundError: an option is wrong; the message names it.
    """
    priors = [_prior(word) for word in options.prior]
    found = _objectives(options, network)
    if options.only is not None:
        if not 0 <= options.only < len(found):
            raise ValueError(f"--only {options.only}: there are {len(found)}, and the first is 0.")
        found = [found[options.only]]
    if options.diverse:
        if options.count < 2:
            raise ValueError("--diverse needs a --count of at least 2.")
        priors.append(options.diverse * diversity(options.layer or "output"))
    return [RequestedObjective(functools.reduce(operator.add, [bare, *priors]), alone, bare) for bare, alone in found]


def _objectives(options: argparse.Namespace, network: Pretrained) -> list[tuple[Objective, dict[str, Any]]]:
    """The objectives without priors, each with the options that request it alone."""
    given = [name for name in LAYER_OPTIONS if (value := getattr(options, name)) is not None and value is not False]
    if bool(options.prompt) + bool(options.label) + (options.layer is not None or bool(given)) != 1:
        raise ValueError("it needs one of: a sentence, --class, or --layer with an option of it; see --help.")
    if options.prompt:
        return _sentences(options)
    if options.against or options.to:
        raise ValueError("--against and --to need a sentence.")
    if options.label:
        return [(_class(network, which, options.softmax), {"label": [which]}) for which in options.label]
    if options.layer is None or len(given) != 1:
        names = ", ".join(f"--{name}" for name in LAYER_OPTIONS)
        raise ValueError(f"--layer takes one of {names}, and each of them needs --layer.")
    layer = options.layer
    if options.channels:
        if options.channels == "all":
            indices = list(range(channels(network, layer, size=picture_size(options, network))))
        else:
            indices = [i for low, high in parse_ranges(options.channels) for i in range(low, high + 1)]
        return [(channel(layer, i), {"channels": None, "channel": i}) for i in indices]
    return [(_of_layer(options, network, layer, given[0]), {})]


def _class(network: Pretrained, which: str, softmax: bool) -> Objective:
    """A class by its name, so that the picture's caption has it, unless several share the name."""
    i = network.class_index(int(which) if which.isdecimal() else which)
    name = network.class_name(i)
    return label(i if name.isdecimal() else name, softmax)


def _sentences(options: argparse.Namespace) -> list[tuple[Objective, dict[str, Any]]]:
    def of(prompt: str) -> Objective:
        return text(prompt, options.guidance, options.against, options.softmax)

    if options.to is None:
        return [(of(prompt), {"prompt": [prompt]}) for prompt in options.prompt]
    if len(options.prompt) != 1:
        raise ValueError("--to needs a single sentence to start from.")
    every = interpolate(of(options.prompt[0]), of(options.to), options.between)
    return [(objective, {"only": i}) for i, objective in enumerate(every)]


def _of_layer(options: argparse.Namespace, network: Pretrained, layer: str, option: str) -> Objective:
    if option == "channel":
        return channel(layer, options.channel)
    if option == "neuron":
        return neuron(layer, *_place(options.neuron))
    if option == "dream":
        return dream(layer)
    if option == "direction":
        return direction(layer, _vector(options.direction))
    size = picture_size(options, network)
    x = read_photograph(getattr(options, option), network, size)
    if option == "style":
        return style(layer, x)
    return (invert if option == "invert" else caricature)(layer, x, size=size)


def _prior(word: str) -> Objective:
    name, _, weight = word.rpartition("=")
    file, _, function = name.rpartition(":")
    if not (name in PRIORS or file.endswith(".py")) or not is_number(weight):
        raise ValueError(f"--prior {word}: it is NAME=WEIGHT, with a name of {', '.join(PRIORS)}, or FILE.py:FUNCTION.")
    prior = own(function_in_file(Path(file), function), PICTURE, name=name) if file else PRIORS[name]()
    return -float(weight) * prior


def _place(words: str) -> list[int]:
    """ "5" or "5,2,2"."""
    parts = words.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().lstrip("-").isdecimal() for part in parts):
        raise ValueError(f"--neuron {words}: it is a number, or CHANNEL,ROW,COLUMN, as in 5,2,2.")
    return [int(part) for part in parts]


def parse_ranges(words: str) -> list[tuple[int, int]]:
    """ "0-3,7" → the first and the last of each range."""
    found = []
    for part in words.split(","):
        low, dash, high = part.partition("-")
        high = high if dash else low
        if not low.isdecimal() or not high.isdecimal() or int(high) < int(low):
            raise ValueError(f"--channels {words}: it is all, or numbers and ranges, as in 0-3,7.")
        found.append((int(low), int(high)))
    return found


def parse_numbers(words: str) -> list[float] | None:
    """ "0.5,1" → its numbers; None if it is anything else, as the name of a file."""
    parts = [part.strip() for part in words.split(",") if part.strip()]
    return [float(part) for part in parts] if parts and all(map(is_number, parts)) else None


def _vector(words: str) -> Tensor:
    numbers = parse_numbers(words)
    if numbers is None and len(words) < 4096 and Path(words).is_file():
        numbers = parse_numbers(",".join(regular(Path(words)).read_text(errors="replace").replace(",", " ").split()))
    if numbers is None:
        raise ValueError(f"--direction {words}: it is numbers with commas, one for each channel, or a file of them.")
    return torch.tensor(numbers)
