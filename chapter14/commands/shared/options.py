"""What `chapter14 visualize` is asked for: the words of the command line, and what they mean to `visualize`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...files import escaped, regular
from ...models.from_file import function_in_file as its_function
from ...models.pretrained import Pretrained
from ...visualization.activations.hooks import PICTURE
from ...visualization.activations.layers import channels
from ...visualization.objectives.features import direction, diversity, dream
from ...visualization.objectives.objective import Objective, channel, interpolate, label, neuron, own, text
from ...visualization.objectives.priors import blur, l2, mean_alpha, natural_spectrum, total_variation
from ...visualization.objectives.reference import caricature, invert, style
from ...visualization.optimization.optimize import CYCLES
from .picture_options import IMAGES, is_number, picture_size, read_photograph

PRIORS = {
    "tv": total_variation,
    "l2": l2,
    "blur": blur,
    "spectrum": natural_spectrum,
    "alpha": mean_alpha,
}
#: Of a layer, one of these.
LAYER_OPTIONS = ("channel", "channels", "neuron", "direction", "dream", "invert", "caricature", "style")

Target = tuple[Objective, dict[str, Any]]  # what is asked for, and the options that ask for it alone


class RequestedObjective(NamedTuple):
    objective: Objective
    alone: dict[str, Any]
    bare: Objective  # without priors: what a photograph is asked, too


def add_picture_arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Those that say what is drawn, and not where it goes."""
    actions: list[argparse.Action] = []

    def group(title: str) -> Any:
        its = parser.add_argument_group(title)
        return lambda *names, **said: actions.append(its.add_argument(*names, **said))

    say = group("what it is to show, one of")
    say("prompt", nargs="*", help="a sentence, or several: the nodes that say how well they fit")
    say("--class", dest="label", metavar="CLASS", help="a class of the network, by its name or number")
    say("--layer", help="a layer of the network, with one of the following; --list has their names")
    say("--channel", type=int, metavar="I", help="one of its channels, the mean over all places")
    say("--channels", metavar="WHICH", help="several: all, or 0-15, or 1,4,7-9")
    say("--neuron", metavar="I[,ROW,COLUMN]", help="one of its neurons: 5, or at a place, 5,2,2")
    say("--direction", metavar="V", help="a direction: a number for each channel, with commas, or a file of them")
    say("--dream", action="store_true", help="all of the layer: the mean of its squares")
    say("--invert", type=Path, metavar="PHOTO", help="the same x_l as this photograph's")
    say("--caricature", type=Path, metavar="PHOTO", help="what the layer sees in it, and more of it")
    say("--style", type=Path, metavar="PHOTO", help="the same correlations of its channels")

    say = group("and beside it")
    say("--against", nargs="+", action="extend", default=[], metavar="PROMPT", help="sentences that it is not to fit")
    say("--guidance", type=float, default=3.0, help="how far a sentence is told from other captions (3)")
    say("--softmax", action="store_true", help="the share of it among the others, as a probability")
    say("--to", metavar="PROMPT", help="from the one sentence to this one, in --between pictures")
    say("--between", type=int, default=5, metavar="N", help="how many, those two among them (5)")
    say("--only", type=int, metavar="I", help="of several that are asked for, this one alone; the first is 0")
    say("--diverse", type=float, default=0, metavar="WEIGHT", help="--count pictures that differ at --layer, or output")
    priors = f"less of {', '.join(PRIORS)}: tv=0.1; or of a function of one's own, FILE.py:FUNCTION=0.1"
    say("--prior", nargs="+", action="extend", default=[], metavar="NAME=WEIGHT", help=priors)

    say = group("the network")
    say("--model", default="embedded", help="embedded; torchvision:, timm:, open_clip:NAME; FILE.py:FACTORY; a file")
    say("--weights", help="of a library's network: their name, a file, or random")
    say("--device", help="cpu, cuda, mps")
    say("--bf16", action="store_true", help="compute the network in bfloat16")
    say("--compile", action="store_true", help="by torch.compile")

    say = group("the picture as parameters")
    say("--image", choices=IMAGES, default="pixels", help="what is descended in (pixels)")
    say("--decorrelated", action="store_true", help="in decorrelated colours")
    say("--grey", action="store_true", help="without colours")
    say("--alpha", action="store_true", help="with a channel that lets the background through")
    say("--importance", action="store_true", help="transparent where the objective asked for little change")
    say("--size", metavar="N[xM]", help="of the picture that is drawn, in pixels; or its height and width, 96x128")
    say("--start", type=Path, metavar="PHOTO", help="begin with this photograph")
    say("--way", type=float, help="how far to go; 1 is from noise to a photograph")

    say = group("what is done to it before the network sees it, at each step")
    say("--robust", action="store_true", help="lucid's transforms: padded, moved, scaled and turned")
    say("--pad", type=int, default=0, metavar="PIXELS", help="in a grey border, so wide (0)")
    say("--jitter", type=int, default=1, metavar="PIXELS", help="moved by up to so much (1)")
    say("--rotate", type=float, default=0, metavar="DEGREES", help="turned by up to so much (0)")
    say("--scale", type=float, default=0, metavar="SHARE", help="made larger or smaller by up to this share (0)")
    say("--crop", type=float, default=1, metavar="SHARE", help="a part of no less than this share, made as large (1)")
    say("--colour", type=float, default=0, metavar="SHARE", help="in other light, by up to this share (0)")
    say("--blur", type=float, default=0, metavar="PIXELS", help="blurred by up to so much (0)")
    say("--noise", type=float, default=0.05, metavar="SIGMA", help="with noise of this standard deviation (0.05)")
    say("--no-flip", action="store_true", help="never mirrored; it is half of the time")

    say = group("the descent")
    say("--seed", type=int, default=0, help="repeats a picture exactly (0)")
    say("--count", type=int, default=1, help="how many pictures, from as many seeds (1)")
    say("--steps", type=int, default=60, help="steps of the first descent (60)")
    say("--cycles", default=",".join(map(str, CYCLES)), help="then, with so much of it left (%(default)s); or none")
    say("--through-relu", type=int, default=0, metavar="STEPS", help="wake a dead neuron through relus that are shut")
    say("--batch", type=int, help="how many pictures at a time (what memory allows)")
    return actions


def command_words(options: argparse.Namespace, instead: Mapping[str, Any]) -> list[str]:
    """The words that ask for what these options do, but for some."""
    words: list[str] = []
    values = {**vars(options), **instead}
    for action in add_picture_arguments(argparse.ArgumentParser()):
        value = values[action.dest]
        if value in (action.default, None) or value == []:
            continue
        each = [] if value is True else [_word(v) for v in (value if isinstance(value, list) else [value])]
        name = action.option_strings[-1:]
        if not name:  # first, where no option before it could take its words
            words = [*each, *words]
        else:
            words += [f"{name[0]}={each[0]}"] if len(each) == 1 else [*name, *each]
    return words


def _word(value: Any) -> str:
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def requested_objectives(options: argparse.Namespace, network: Pretrained) -> list[RequestedObjective]:
    """Every objective that is asked for.

    Raises:
        ValueError, IndexError, FileNotFoundError: in the words of the call.
    """
    priors = _priors(options)
    found = _targets(options, network)
    if options.only is not None:
        if not 0 <= options.only < len(found):
            raise ValueError(f"--only {options.only}: there are {len(found)}, the first is 0.")
        found = [found[options.only]]
    if options.diverse:
        if options.count < 2:
            raise ValueError("--diverse takes a --count of pictures that are to differ, 2 or more.")
        priors = [*priors, options.diverse * diversity(options.layer or "output")]
    return [RequestedObjective(_sum([objective, *priors]), alone, objective) for objective, alone in found]


def _targets(options: argparse.Namespace, network: Pretrained) -> list[Target]:
    inner = [name for name in LAYER_OPTIONS if (value := getattr(options, name)) is not None and value is not False]
    if bool(options.prompt) + (options.label is not None) + (options.layer is not None or bool(inner)) != 1:
        raise ValueError("it takes one of a sentence, --class, and --layer with what of it; --help has a list.")
    if options.prompt:
        return _sentences(options)
    if options.against or options.to:
        raise ValueError("--against and --to go with a sentence.")
    if options.label is not None:
        which = int(options.label) if options.label.isdecimal() else options.label
        return [(label(which, options.softmax), {})]
    if options.layer is None or len(inner) != 1:
        those = ", ".join(f"--{name}" for name in LAYER_OPTIONS)
        raise ValueError(f"--layer takes one of {those}, and they take a --layer.")
    layer, (what,) = options.layer, inner
    if what == "channels":
        every = _numbers(options.channels, lambda: channels(network, layer, size=picture_size(options, network)))
        return [(channel(layer, i), {"channels": None, "channel": i}) for i in every]
    return [(_of_a_layer(options, network, layer, what), {})]


def _sentences(options: argparse.Namespace) -> list[Target]:
    def of(prompt: str) -> Objective:
        return text(prompt, options.guidance, options.against, options.softmax)

    if options.to is None:
        return [(of(prompt), {"prompt": [prompt]}) for prompt in options.prompt]
    if len(options.prompt) != 1:
        raise ValueError("--to takes one sentence to go from.")
    every = interpolate(of(options.prompt[0]), of(options.to), options.between)
    return [(objective, {"only": i}) for i, objective in enumerate(every)]


def _of_a_layer(options: argparse.Namespace, network: Pretrained, layer: str, what: str) -> Objective:
    if what == "channel":
        return channel(layer, options.channel)
    if what == "neuron":
        return neuron(layer, *_place(options.neuron))
    if what == "dream":
        return dream(layer)
    if what == "direction":
        return direction(layer, _vector(options.direction))
    H, W = picture_size(options, network)
    x = read_photograph(getattr(options, what), H, W)
    if what == "style":
        return style(layer, x)
    return (invert if what == "invert" else caricature)(layer, x, size=(H, W))


def _priors(options: argparse.Namespace) -> list[Objective]:
    found = []
    for word in options.prior:
        name, _, weight = word.rpartition("=")
        file, _, function = name.rpartition(":")
        if not (name in PRIORS or file.endswith(".py")) or not is_number(weight):
            raise ValueError(
                f"--prior {word}: it is NAME=WEIGHT, with a name of {', '.join(PRIORS)}, or FILE.py:FUNCTION."
            )
        made = own(its_function(Path(file), function), PICTURE, name=name) if file else PRIORS[name]()
        found.append(-float(weight) * made)
    return found


def _sum(objectives: Sequence[Objective]) -> Objective:
    first, *rest = objectives
    for more in rest:
        first = first + more
    return first


def _place(words: str) -> list[int]:
    """ "5" or "5,2,2"."""
    parts = words.split(",")
    if len(parts) not in (1, 3) or not all(part.strip().lstrip("-").isdecimal() for part in parts):
        raise ValueError(f"--neuron {words}: it is a number, or CHANNEL,ROW,COLUMN, as in 5,2,2.")
    return [int(part) for part in parts]


def _numbers(words: str, count: Any) -> list[int]:
    """ "all", or "0-3,7"."""
    if words == "all":
        return list(range(count()))
    return [i for low, high in parse_ranges(words) for i in range(low, high + 1)]


def parse_ranges(words: str) -> list[tuple[int, int]]:
    """ "0-3,7": the first and the last of each."""
    found = []
    for part in words.split(","):
        low, dash, high = part.partition("-")
        high = high if dash else low
        if not low.isdecimal() or not high.isdecimal() or int(high) < int(low):
            raise ValueError(f"--channels {words}: it is all, or numbers and ranges, as in 0-3,7.")
        found.append((int(low), int(high)))
    return found


def parse_numbers(words: str) -> list[float] | None:
    """ "0.5,1", or None where it is anything else, as the name of a file."""
    parts = [part.strip() for part in words.split(",") if part.strip()]
    return [float(part) for part in parts] if parts and all(map(is_number, parts)) else None


def _vector(words: str) -> Tensor:
    found = parse_numbers(words)
    if found is None and len(words) < 4096 and Path(words).is_file():
        found = parse_numbers(",".join(regular(Path(words)).read_text(errors="replace").replace(",", " ").split()))
    if found is None:
        raise ValueError(f"--direction {words}: it is numbers with commas, one for each channel, or a file of them.")
    return torch.tensor(found)


def shell_command(words: Sequence[str]) -> str:
    return escaped(shlex.join(["chapter14", "visualize", *words]))
