"""`chapter14 visualize`: a sentence, a class, a channel or a neuron in, a picture out; or every channel of a layer."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageChops, UnidentifiedImageError

from ..conversion.audit import audit
from ..models.pretrained import Pretrained
from ..models.zoo import load
from ..visualization import animation, quality, record, render
from ..visualization.descend import Step
from ..files import NotWritten
from ..visualization.listing import layers, table
from ..visualization.optimize import Visualization, steps_in_all, visualize
from ..visualization.record import Record
from . import asking, shaping
from .asking import Asked
from .beforehand import check, second_of
from .paging import write_page
from .ranks import everyone_is_here, rank, ranks
from .stopping import told_to_stop

EXAMPLES = """
examples:
  chapter14 visualize "a photo of a cat"
  chapter14 visualize "a photo of a dog" "a blurry photo of a church" --count 4 --page pictures.html
  chapter14 visualize --class parachute --film parachute.gif
  chapter14 visualize --layer image.scales.1.1 --channels all --image fourier --decorrelated --photos ~/photographs
  chapter14 visualize --layer image.scales.2 --neuron 3,2,2 --seed 5 --out neuron.png
  chapter14 visualize --model torchvision:resnet50 --layer layer4 --channel 12 --size 224 --robust
  chapter14 visualize --model open_clip:ViT-B-32 --weights openai "a photo of a cat"
  chapter14 visualize --list torchvision:resnet50
  torchrun --nproc-per-node 4 -m chapter14 visualize --layer image.scales.1.1 --channels all

Several pictures are written one by one into a folder, with how they were drawn, and as one sheet.
"""


SMALL = 144  # pixels, of a picture in a sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    asking.add_arguments(parser)
    say = parser.add_argument_group("where it goes").add_argument
    say("--out", type=Path, help="where it is written (pictures/NAME.png)")
    say("--height", type=int, default=480, help="of one picture in the file, in pixels (480; 144 in a sheet)")
    say("--columns", type=int, default=8, help="of a sheet (8)")
    say("--film", type=Path, metavar="FILE", help="the descent, as .gif, .webp or .mp4")
    say("--page", type=Path, metavar="FILE", help="one HTML file that shows it all")
    say("--photos", type=Path, metavar="FOLDER", help="beside each picture, the photographs that fit it most and least")
    say("--report", action="store_true", help="how good the pictures are, in numbers")
    say("--second", metavar="MODEL", help="in the report, what this network says of them")
    say("--second-weights", metavar="WEIGHTS", help="of it, as --weights")
    say("--history", action="store_true", help="print J at every step")
    say("--resume", action="store_true", help="go on where the same command was interrupted")
    say("--again", type=Path, metavar="PICTURE", help="draw a picture once more, as it says that it was drawn")
    say("--list", metavar="MODEL", help="the layers of a network, and their shapes")


def run(options: argparse.Namespace) -> int:
    """What the command does: 0; 130 where it was interrupted; or an error.

    Raises:
        ValueError, IndexError, OSError: what was asked for is not there; said in the words of the call.
    """
    if options.list is not None:
        random = "random" if ":" in options.list else None
        network = load(options.list, options.weights or random)
        print(table(layers(network, shaping.size(options, network))))
        return 0
    if options.again is not None:
        return _again(options)
    network = load(options.model, options.weights, options.device)
    asked = asking.objectives(options, network)
    second = second_of(options, asked)
    title = asked[0].objective.name if len(asked) == 1 else _all(options)
    out = options.out or Path("pictures") / f"{_slug(title)}.png"
    paths = _paths(asked, options, out)
    drawing = Drawing(network, asked[rank() :: ranks()], paths[rank() :: ranks()], options, out, second)
    check(options, out, drawing.bytes)
    try:
        if drawing.asked:
            with told_to_stop():
                drawing.write(drawing.draw())
            drawing.checkpoint.unlink(missing_ok=True)
    except KeyboardInterrupt:
        drawing.put_down()
        return 130
    except NotWritten as error:
        if not drawing.checkpoint.is_file():
            raise
        kept = f"What is drawn is in {drawing.checkpoint}: the same command with --resume goes on."
        raise NotWritten(f"{error}. {kept}") from error
    everyone_is_here()
    if rank() == 0:
        _put_together([path for each in paths for path in each], title, options, out)
    return 0


def _put_together(paths: Sequence[Path], title: str, options: argparse.Namespace, out: Path) -> None:
    """The sheet and the page of all pictures."""
    if len(paths) > 1:
        _write_sheet(paths, options.layer, options.columns, out)
    if options.page:
        write_page(options.page, [(record.record_of(path), path) for path in paths], options.photos, 6, title)
        print(f"The page is {options.page}.")
    print(
        f"The picture is {out}." if len(paths) == 1 else f"The pictures are in {out.with_suffix('')}, and all in {out}."
    )


class Drawing:
    """What is drawn by one command, or by one of several processes of it."""

    def __init__(
        self,
        network: Pretrained,
        asked: Sequence[Asked],
        paths: Sequence[Sequence[Path]],
        options: argparse.Namespace,
        out: Path,
        second: Pretrained | None = None,
    ):
        self.network, self.asked, self.paths, self.options, self.out = network, asked, paths, options, out
        self.second = second
        self.last: Step | None = None
        self.by_hand = ""
        self.film = animation.Film(max(options.steps // 40, 1)) if options.film else None
        self.call: dict[str, Any] = {
            "count": options.count,
            "seed": options.seed,
            "steps": options.steps,
            "cycles": shaping.cycles(options),
            "size": shaping.size(options, network),
            "image": shaping.image(options),
            "start": shaping.start(options, network),
            "way": options.way,
            "transforms": shaping.transforms(options),
            "through_relu": options.through_relu,
            "batch": options.batch,
            "precision": torch.bfloat16 if options.bf16 else None,
            "compile": options.compile,
        }

    @property
    def bytes(self) -> int:
        """Of all the pictures as they are drawn, which a checkpoint keeps: float32."""
        H, W = self.call["size"]
        return 4 * len(self.asked) * self.options.count * self.call["image"].channels * H * W

    @property
    def checkpoint(self) -> Path:
        return self.out.with_suffix(f".{rank()}.part" if ranks() > 1 else ".part")

    def draw(self) -> Visualization:
        """With a bar that grows."""
        from tqdm import tqdm

        options, name = self.options, " | ".join(asked.objective.name for asked in self.asked)
        pictures = len(self.asked) * options.count
        steps = options.steps if options.start else steps_in_all(options.steps, self.call["cycles"])
        with tqdm(total=steps * pictures, desc=name if len(name) < 50 else f"{name[:50]}...", file=sys.stderr) as bar:

            def on_step(step: Step) -> None:
                self.last = step
                self.by_hand = self.by_hand or f"{audit(step.J).fraction:.0%}"
                if self.film:
                    self.film(step)
                bar.set_postfix(J=f"{step.J.mean().item():.3f}", refresh=False)
                bar.update(len(step.J))

            return visualize(
                self.network,
                [asked.objective for asked in self.asked],
                checkpoint=self.checkpoint,
                resume=options.resume,
                on_step=on_step,
                **self.call,
            )

    def put_down(self) -> None:
        """What there is of an interrupted descent."""
        if self.last is None:
            print("Interrupted before the first step.", file=sys.stderr)
            return
        images = [render.to_image(x, self.options.height) for x in self.last.x.clamp(-1, 1)]
        shown = images[0] if len(images) == 1 else render.sheet(images, [""] * len(images), self.options.columns)
        self.out.with_suffix(".json").unlink(missing_ok=True)  # which is of another picture
        render.save(shown, self.out)
        print(f"Interrupted: {self.out} is what there is; the same command with --resume goes on.", file=sys.stderr)

    def write(self, drawn: Visualization) -> None:
        """Each picture with its record."""
        options, each = self.options, [asked for asked in self.asked for _ in range(self.options.count)]
        measured = self._measured(drawn, each)
        commands = [
            ["visualize", *asking.typed(options, {} if options.diverse else asked.alone | {"count": 1, "seed": seed})]
            for asked in self.asked
            for seed in range(options.seed, options.seed + options.count)
        ]
        kept = record.records(
            drawn,
            self.network,
            [asked.objective for asked in self.asked],
            self.call,
            model=options.model,
            commands=commands,
            quality=measured,
        )
        pictures = map(render.opaque, drawn.x, drawn.importance) if options.importance else drawn.x
        for its, x, path in zip(kept, pictures, (path for each in self.paths for path in each), strict=True):
            record.save(render.to_image(x, options.height), path, its)
        if self.film and self.film.batches:  # of a descent that was resumed at its end there is none
            self.film.save(options.film, options.height if len(each) == 1 else SMALL, options.columns)
            print(f"The film is {options.film}.")
        self._say(drawn, kept)

    def _measured(self, drawn: Visualization, each: Sequence[Asked]) -> list[dict[str, float | None]]:
        if not self.options.report:
            return []
        import dataclasses

        found = quality.measure(self.network, [asked.bare for asked in each], drawn.x, self.second)
        return [dataclasses.asdict(its) for its in found]

    def _say(self, drawn: Visualization, kept: Sequence[Record]) -> None:
        if self.options.history:
            for i, J in enumerate(drawn.history.mean(1).tolist()):
                print(f"{i:4d}  J {J: .6f}")
        by_name: dict[str, list[Record]] = {}
        for its in kept:
            by_name.setdefault(its.objective, []).append(its)
        for name, those in list(by_name.items())[:40]:
            first, last = (sum(its.history[i] for its in those) / len(those) for i in (0, -1))
            went = "rose" if last > first else "fell"
            print(f"{name}: J {went} from {first:.4f} to {last:.4f} in {len(drawn.history)} steps.")
        if self.by_hand:
            print(f"{self.by_hand} of the gradient's nodes are by hand.")
        if dead := [its.objective for its in kept if not its.alive]:
            names, helped = ", ".join(dict.fromkeys(dead)), self.options.through_relu
            print(
                f"Dead after --through-relu {helped}, and so noise: {names}. More steps may wake them."
                if helped
                else f"Dead at the start, and so noise: {names}. --through-relu may wake them."
            )
        if self.options.report:
            print(quality.table({"": [(f"{its.objective}, seed {its.seed}", its.quality) for its in kept]}))


def _again(options: argparse.Namespace) -> int:
    """Draws what a picture says of itself."""
    its = record.record_of(options.again)
    if others := asking.typed(options, {"device": None}):
        raise ValueError(f"--again draws a picture as it was drawn: {' '.join(others)} cannot be said of it.")
    if its.command[:1] != ["visualize"]:
        raise ValueError(f"{options.again}: no command drew it.")
    parser = argparse.ArgumentParser()
    asking.add_arguments(parser)
    out = options.out or options.again.with_stem(f"{options.again.stem}_again")
    asked = vars(parser.parse_args(its.command[1:]))
    goes = {"out": out, "height": _height(options.again), "again": None, "device": options.device or asked["device"]}
    then = argparse.Namespace(**vars(options) | asked | goes)
    print(asking.quoted(its.command[1:]))
    if status := run(then):
        return status
    network, drawn = load(then.model, then.weights), out
    if then.count > 1:  # pictures that differ from each other are drawn together
        drawn = next(path for path in out.with_suffix("").iterdir() if path.name.endswith(f"_seed_{its.seed}.png"))
    print(_compared(options.again, drawn, record.changed(its, network)))
    return 0


def _compared(then: Path, now: Path, changed: Sequence[str]) -> str:
    with Image.open(then) as a, Image.open(now) as b:
        difference = ImageChops.difference(a, b)
    if difference.getbbox(alpha_only=False) is None:
        return f"It is {then}, to the last byte."
    most = max(high for _, high in np.atleast_2d(difference.getextrema()).tolist())
    why = "; ".join(changed) or "a batch of another size rounds otherwise"
    return f"It differs from {then} by {most} of 255 at most: {why}."


def _height(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return image.height
    except UnidentifiedImageError as error:  # but a record
        raise ValueError(f"{path}: --again takes the picture itself.") from error


def _paths(asked: Sequence[Asked], options: argparse.Namespace, out: Path) -> list[list[Path]]:
    """Where each picture goes: of each objective, one for each seed."""
    if len(asked) * options.count == 1:
        return [[out]]
    names = [f"{i:04d}_{_slug(its.objective.name)}" for i, its in enumerate(asked)]
    seeds = range(options.seed, options.seed + options.count)
    return [[out.with_suffix("") / f"{name}_seed_{seed}.png" for seed in seeds] for name in names]


def _write_sheet(paths: Sequence[Path], layer: str | None, columns: int, out: Path) -> None:
    """`layer`: that all of them are of, and that is not said below each."""
    images, labels = [], []
    for path in paths:
        its = record.record_of(path)
        with Image.open(path) as image:
            size = (max(round(SMALL * image.width / image.height), 1), SMALL)
            images.append(image.resize(size, Image.Resampling.BICUBIC))
        name = its.objective.replace(f" of {layer}", "") if layer else its.objective
        labels.append(name if its.alive else f"dead: {name}")  # at its end it might not be seen
    render.save(render.sheet(images, labels, columns), out)


def _all(options: argparse.Namespace) -> str:
    if options.prompt:
        return " and ".join(options.prompt)
    return f"class {options.label}" if options.label is not None else f"{options.model} {options.layer}"


def _slug(name: str) -> str:
    slug = re.sub(r"\W+", "_", name.lower()).strip("_")[:80]
    return slug.encode()[:160].decode(errors="ignore") or "picture"  # of a file, a name has 255 bytes at most
