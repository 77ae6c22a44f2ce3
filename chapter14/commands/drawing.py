"""`chapter14 visualize`: a sentence, a class, a channel or a neuron in, a picture out."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ..conversion.audit import Audit, audit
from ..models.zoo import Pretrained, load
from ..visualization import render
from ..visualization.image import Image, Pixels
from ..visualization.image_colour import Decorrelated
from ..visualization.image_fourier import Fourier
from ..visualization.objective import Objective, channel, label, neuron, text
from ..visualization.optimize import Step, Visualization, steps_in_all, visualize
from ..visualization.transform import Transform
from ..visualization.transform_move import Jitter
from ..visualization.transform_presets import TRANSFORMS
from ..visualization.transform_warp import Rotate, Scale

EXAMPLES = """
examples:
  chapter14 visualize "a photo of a cat"
  chapter14 visualize --class parachute --count 4
  chapter14 visualize --layer image.scales.1.1 --channel 7 --fourier
  chapter14 visualize --layer image.scales.2 --neuron 3,2,2 --seed 5 --out neuron.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.add_argument("prompt", nargs="?", help="a sentence: the node that says how well it fits")
    parser.add_argument("--class", dest="label", help="a class of the network, by its name or number")
    parser.add_argument("--layer", help="a layer of the network; with --channel or --neuron")
    parser.add_argument("--channel", type=int, help="a channel of the layer, its mean over all places")
    parser.add_argument("--neuron", type=_numbers, help="a neuron of the layer: 5, or channel,row,column as in 5,2,2")
    parser.add_argument("--model", default="embedded", help="a file that scripts/train_clip.py wrote")
    parser.add_argument("--guidance", type=float, default=3, help="how far a sentence is told from other captions (3)")
    parser.add_argument("--seed", type=int, default=0, help="repeats a picture exactly (0)")
    parser.add_argument("--count", type=int, default=1, help="how many pictures (1)")
    parser.add_argument("--steps", type=int, default=60, help="steps of the first descent (60)")
    parser.add_argument("--size", type=int, default=480, help="of the picture that is written, in pixels (480)")
    parser.add_argument("--out", type=Path, help="where it is written (pictures/NAME.png)")
    image = parser.add_mutually_exclusive_group()
    image.add_argument("--pixels", action="store_true", help="descend in pixels, which is the default")
    image.add_argument("--fourier", action="store_true", help="descend in frequencies: coarse shapes first")
    parser.add_argument("--decorrelated", action="store_true", help="and in decorrelated colours")
    parser.add_argument("--jitter", type=int, default=1, help="move it by up to so many pixels at each step (1)")
    parser.add_argument("--rotate", type=float, default=0, help="turn it by up to so many degrees (0)")
    parser.add_argument("--scale", type=float, default=0, help="make it larger or smaller by up to this share (0)")
    parser.add_argument("--history", action="store_true", help="print J at every step")


def run(options: argparse.Namespace) -> int:
    """What the command does; 0, or an error.

    Raises:
        ValueError, FileNotFoundError: what was asked for is not there; said in the words of the call.
    """
    network, objective = load(options.model), asked(options)
    out = options.out or Path("pictures") / f"{re.sub('[^a-z0-9]+', '_', objective.name.lower()).strip('_')}.png"
    render.check(out)
    drawn, its_audit = _draw(network, objective, options)
    images = [render.to_image(x, options.size) for x in drawn.x]
    render.save(images[0] if len(images) == 1 else render.sheet(images, [""] * len(images), 4), out)
    if options.history:
        for i, J in enumerate(drawn.history.mean(1).tolist()):
            print(f"{i:4d}  J {J: .6f}")
    first, last = drawn.history.mean(1)[[0, -1]].tolist()
    print(f"{objective.name}: J fell from {first:.4f} to {last:.4f} in {len(drawn.history)} steps.")
    print(f"{its_audit.fraction:.0%} of the gradient's nodes are by hand.")
    print(f"The picture is {out}.")
    return 0


def asked(options: argparse.Namespace) -> Objective:
    inner = options.channel is not None or options.neuron is not None
    if (options.prompt is not None) + (options.label is not None) + (options.layer is not None or inner) != 1:
        raise ValueError("it takes one of a sentence, --class, and --layer with --channel or --neuron.")
    if options.prompt is not None:
        return text(options.prompt, options.guidance)
    if options.label is not None:
        return label(int(options.label) if options.label.isdecimal() else options.label)
    if options.layer is None or (options.channel is None) == (options.neuron is None):
        raise ValueError("--layer takes one of --channel and --neuron, and they take a --layer.")
    return neuron(options.layer, *options.neuron) if options.neuron else channel(options.layer, options.channel)


def _numbers(words: str) -> tuple[int, ...]:
    """ "5" or "5,2,2"."""
    numbers = tuple(int(word) for word in words.split(","))
    if len(numbers) not in (1, 3):
        raise ValueError(words)
    return numbers


def _image(options: argparse.Namespace, network: Pretrained) -> Image:
    image = Fourier(network.size) if options.fourier else Pixels()
    return Decorrelated(image) if options.decorrelated else image


def _transforms(options: argparse.Namespace) -> list[Transform]:
    transforms: list[Transform] = [Jitter(options.jitter), *TRANSFORMS[1:]]
    if options.rotate:
        transforms.append(Rotate(options.rotate))
    if options.scale:
        transforms.append(Scale(1 - options.scale, 1 + options.scale))
    return transforms


def _draw(network: Pretrained, objective: Objective, options: argparse.Namespace) -> tuple[Visualization, Audit]:
    """The pictures, with a bar that grows, and the audit of the first step's graph."""
    from tqdm import tqdm

    audits: list[Audit] = []
    with tqdm(total=steps_in_all(options.steps), desc=objective.name, file=sys.stderr) as bar:

        def on_step(step: Step) -> None:
            if not audits:
                audits.append(audit(step.J))
            bar.set_postfix(J=f"{step.J.mean().item():.3f}", refresh=False)
            bar.update()

        drawn = visualize(
            network,
            objective,
            count=options.count,
            seed=options.seed,
            steps=options.steps,
            image=_image(options, network),
            transforms=_transforms(options),
            on_step=on_step,
        )
    return drawn, audits[0]
